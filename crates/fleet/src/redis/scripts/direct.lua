-- Asks an agent to do something, or no longer. ARGV: 2 id, 3 what or "". Gives 1 or 0.
local id, what = ARGV[2], ARGV[3]
if redis.call('HEXISTS', P .. 'ep', id) == 0 then return 0 end
if what == '' then
  redis.call('HDEL', P .. 'dir', id)
else
  redis.call('HSET', P .. 'dir', id, what)
  say('{"type":"directed","agentId":"' .. id .. '","directive":"' .. what .. '"}')
end
return 1
