-- Writes or takes away something of an agent, unless it is fenced.
-- ARGV: 2 id, 3 epoch, 4 key, 5 value; without a value it is taken away.
-- Gives "" or the epoch that lives, or "-" where none does.
local id, epoch, key, value = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local lives = redis.call('HGET', P .. 'ep', id)
if not lives or string.sub(lives, 1, 16) ~= epoch then return lives and string.sub(lives, 1, 16) or '-' end
if value then
  redis.call('SADD', P .. 'own:' .. id, key)
  redis.call('SET', key, value)
else
  redis.call('UNLINK', key)
  redis.call('SREM', P .. 'own:' .. id, key)
end
return ''
