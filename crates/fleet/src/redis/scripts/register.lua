-- Makes an agent a member.
-- ARGV: 2 id, 3 nonce, 4 lease in ms, 5 "1" for a takeover, 6 earlier epoch or "", 7 coordinator or "", 8 host,
-- 9 process as JSON or "", 10 secret or "", 11 what a heartbeat of the seed says of the process, as the inside of a JSON object
-- Gives {"ok", epoch, now, resumed} | {"taken", ms} | {"busy"} | {"dead", why}
local id, nonce, ttl, takeover, earlier = ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1', ARGV[6]
local coordinator, host, process, secret, tail = ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local rec = P .. 'rec:' .. id
came_up()
local had = redis.call('HMGET', rec, 'st', 'ep', 'nonce', 'co', 'reason', 'ttl', 'resumed')
local lives = redis.call('HGET', P .. 'ep', id)
local current = lives and string.sub(lives, 1, 16)
local epoch, resumed

if had[1] == 'R' then
  if earlier ~= '' and had[2] and had[2] >= earlier then
    return {'dead', 'it is being cleaned up (' .. (had[5] or 'unknown') .. ')'}
  end
  return {'busy'}
elseif current and had[3] == nonce then
  -- The same registration again: it says which process it is by now, and was given the secret that came with it.
  redis.call('HSET', rec, 'host', host, 'process', process, 'secret', secret)
  if SEED then redis.call('HSET', P .. 'who', id, tail .. ',"epoch":' .. num(tonumber(current))) end
  redis.call('ZADD', P .. 'dl', num(NOW + string.sub(lives, 17)), id)
  return {'ok', current, num(NOW), had[7] or '0'}
elseif earlier ~= '' then
  local tomb = redis.call('HMGET', P .. 'tomb:' .. id, 'ep', 'reason')
  if tomb[1] and tomb[1] ~= '' and tomb[1] >= earlier then
    return {'dead', 'it was cleaned up (' .. (tomb[2] or 'unknown') .. ')'}
  elseif current and current >= earlier then
    return {'dead', 'another process has taken its name over'}
  elseif not was_lost(earlier) then
    return {'dead', 'it has ended, and nothing more is known of it'}
  end
  epoch, resumed = earlier, '1'
  local last = tonumber(redis.call('HGET', P .. 'meta', 'epoch') or '') or 0
  if last < tonumber(earlier) then redis.call('HSET', P .. 'meta', 'epoch', num(tonumber(earlier))) end
elseif current and not takeover then
  local left = (tonumber(redis.call('ZSCORE', P .. 'dl', id) or '') or 0) - NOW
  if left >= 0 then return {'taken', num(left)} end
  return {'busy'}
elseif SEED and not takeover then
  if redis.call('EXISTS', 'cleanup:lock:' .. id) == 1 then return {'busy'} end
  -- Somebody written to the seed, who knows of no epochs, may have the name.
  if redis.pcall('SISMEMBER', 'agents:active', id) == 1 or redis.pcall('SISMEMBER', 'agent:active', id) == 1 then
    for _, key in ipairs({'agent:heartbeat:' .. id, 'agent:' .. id .. ':heartbeat'}) do
      local left = redis.call('PTTL', key)
      -- It is idle for what is gone of 180 s, and an orphan after 120 s.
      if left > 60000 then return {'taken', num(left - 60000)} end
      if left ~= -2 then return {'busy'} end
    end
  end
end
epoch = epoch or next_number('epoch')
if current then
  redis.call('HSET', P .. 'tomb:' .. id, 'ep', current, 'reason', 'taken_over', 'at', num(NOW))
  redis.call('EXPIRE', P .. 'tomb:' .. id, 86400)
end

if had[4] and had[4] ~= coordinator then redis.call('SREM', P .. 'co:' .. had[4], id) end
redis.call('DEL', rec)
redis.call('HSET', rec, 'st', 'L', 'ep', epoch, 'nonce', nonce, 'ttl', ttl, 'host', host, 'process', process,
  'secret', secret, 'since', num(NOW), 'co', coordinator, 'resumed', resumed or '0')
if coordinator ~= '' then redis.call('SADD', P .. 'co:' .. coordinator, id) end
redis.call('ZADD', P .. 'ids', 0, id)
redis.call('HDEL', P .. 'dir', id)
redis.call('HDEL', P .. 'rep', id)
unsay(id)
has_lease(ttl)
redis.call('ZADD', P .. 'dl', num(NOW + ttl), id)
redis.call('ZREM', P .. 'miss', id)
redis.call('HSET', P .. 'ep', id, epoch .. ttl)
if SEED then
  tail = tail .. ',"epoch":' .. num(tonumber(epoch))
  redis.call('HSET', P .. 'who', id, tail)
  redis.call('SET', 'agent:heartbeat:' .. id,
    '{"agentId":"' .. id .. '","timestamp":' .. num(NOW) .. ',' .. tail .. ',"memoryUsage":{},"state":""}', 'PX', 180000)
  -- Of another type it is not ours to mend, and a sweep tells of it.
  redis.pcall('SADD', 'agents:active', id)
end
say('{"type":"agent_registered","agentId":"' .. id .. '","epoch":' .. num(tonumber(epoch)) .. ',"host":"' .. host .. '"}')
return {'ok', epoch, num(NOW), resumed or '0'}
