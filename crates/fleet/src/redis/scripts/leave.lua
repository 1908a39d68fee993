-- An agent claims its own cleanup.
-- ARGV: 2 id, 3 epoch, 4 why as JSON text, 5 lease of the claim in ms
-- Gives {fence, seen, now, process, host, coordinator} or nothing where it is over already.
local id, epoch, why, lease = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local rec = P .. 'rec:' .. id
local had = redis.call('HMGET', rec, 'st', 'ep', 'fence', 'reason', 'seen', 'process', 'host', 'co')
if had[2] ~= epoch then return false end
if had[1] == 'R' then
  -- Asked again, since the answer was lost.
  if had[4] == 'shutdown' and not redis.call('HGET', rec, 'taken') then
    return {had[3], had[5], num(NOW), had[6], had[7], had[8]}
  end
  return false
end
local seen = num((tonumber(redis.call('ZSCORE', P .. 'dl', id) or '') or NOW) - (tonumber(redis.call('HGET', rec, 'ttl') or '') or 0))
say('{"type":"agent_shutdown","agentId":"' .. id .. '","reason":' .. why .. '}')
local by = 'agent.' .. string.sub(id, 1, 100)
local fence = next_number('fence')
local value = by .. ':' .. fence
-- Its own cleanup waits for nobody's lock.
lock(id, value)
redis.call('HSET', rec, 'st', 'R', 'fence', fence, 'by', '', 'byhost', '', 'reason', 'shutdown', 'seen', seen, 'at', num(NOW),
  'lock', value)
redis.call('ZADD', P .. 'claims', num(NOW + lease), id)
say('{"type":"cleanup_started","agentId":"' .. id .. '","reason":"shutdown"}')
redis.call('HDEL', P .. 'ep', id)
redis.call('ZREM', P .. 'dl', id)
unsay(id)
return {fence, seen, num(NOW), had[6], had[7], had[8]}
