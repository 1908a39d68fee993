-- One step of a cleanup.
-- ARGV: 2 id, 3 fence, 4 lease of the claim in ms, 5 time to object in ms, 6 keys at most, 7 host of the process or "",
-- 8 the process as JSON
-- Gives {"stale"} | {"aborted"} | {"wait", ms} | {"index"} | {"more", n} | {"done", n of all steps}
local id, fence, lease, objection, most = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local host, process = ARGV[7], ARGV[8]
local rec, own = P .. 'rec:' .. id, P .. 'own:' .. id
local had = redis.call('HMGET', rec, 'st', 'fence', 'reason', 'at', 'deleted', 'legacy', 'ep', 'lock', 'byhost', 'co', 'text',
  'left', 'indexed', 'begun')
if had[1] ~= 'R' or had[2] ~= fence then
  -- The answer to the last step may have been lost.
  local tomb = redis.call('HMGET', P .. 'tomb:' .. id, 'fence', 'deleted')
  if tomb[1] == fence and tomb[2] then return {'done', tomb[2]} end
  return {redis.call('GET', P .. 'aborted:' .. id) == fence and 'aborted' or 'stale'}
end
local deleted, legacy = tonumber(had[5] or '0'), had[6] == '1'

-- An agent of the seed cannot be fenced: whether it beats again is asked in every step.
if legacy then
  local function mark(key)
    local kind = redis.call('TYPE', key).ok
    if kind == 'none' then return '' end
    if kind ~= 'string' then return kind end
    return redis.sha1hex(redis.call('GET', key))
  end
  local key = 'agent:heartbeat:' .. id
  if mark(key) == '' then key = 'agent:' .. id .. ':heartbeat' end
  local text = mark(key)
  -- A text that ran out of time is no new one.
  if text ~= '' and (text ~= had[11] or redis.call('PTTL', key) > tonumber(had[12])) then
    abort(id, '"it beats again"')
    return {'aborted'}
  end
end

if had[3] ~= 'shutdown' and not had[14] then
  local wait = tonumber(had[4]) + objection - NOW
  if wait > 0 and wait <= objection then return {'wait', wait} end
end
if legacy and not had[13] then return {'index'} end
if host ~= '' and not legacy then
  if redis.call('HSETNX', P .. 'deleg:' .. host, had[7] .. '|' .. id, process) == 1 then
    redis.call('EXPIRE', P .. 'deleg:' .. host, 86400)
    if host ~= had[9] then
      say('{"type":"process_delegated","agentId":"' .. id .. '","host":"' .. host .. '","process":'
        .. (process ~= '' and process or 'null') .. '}')
    end
  end
end

redis.call('HSET', rec, 'begun', '1')
redis.call('ZADD', P .. 'claims', num(NOW + lease), id)
local base = {}
if SEED then
  base = {'agent:heartbeat:' .. id, 'agent:memory:' .. id, 'agent:state:' .. id}
  if legacy then base[4] = 'agent:' .. id .. ':heartbeat' end
end
local left = redis.call('SCARD', own)
local room = most - #base
local keys = left > 0 and redis.call('SRANDMEMBER', own, room) or {}
local gone = 0
if #keys > 0 then
  local free = {}
  for i = 1, #keys do
    local rest = legacy and string.match(keys[i], '^agent:%l+:(.*)$')
    local whose = false
    if rest then
      -- A living agent whose name begins like this one's may own it by now.
      for stop in string.gmatch(rest .. ':', '():') do
        local other = string.sub(rest, 1, stop - 1)
        if other ~= id and #other > 0 and (redis.pcall('SISMEMBER', 'agents:active', other) == 1
          or redis.pcall('SISMEMBER', 'agent:active', other) == 1) and redis.call('HGET', P .. 'rec:' .. other, 'st') ~= 'R' then
          whose = true
        end
      end
    end
    if not whose then free[#free + 1] = keys[i] end
  end
  if #free > 0 then gone = redis.call('UNLINK', unpack(free)) end
end
if left > #keys then
  if SEED and had[8] and redis.pcall('GET', 'cleanup:lock:' .. id) == had[8] then
    redis.call('PEXPIRE', 'cleanup:lock:' .. id, 300000)
  end
  redis.call('HSET', rec, 'deleted', num(deleted + gone))
  redis.call('SREM', own, unpack(keys))
  return {'more', gone}
end

-- The last step. What ends it, the record, goes when everything else is gone.
if #base > 0 then gone = gone + redis.call('UNLINK', unpack(base)) end
local total = num(deleted + gone)
redis.call('HSET', P .. 'tomb:' .. id, 'ep', had[7] or '', 'reason', had[3], 'at', num(NOW), 'fence', fence,
  'deleted', total)
redis.call('EXPIRE', P .. 'tomb:' .. id, 86400)
redis.call('HDEL', P .. 'rep', id)
redis.call('HDEL', P .. 'dir', id)
if had[10] and had[10] ~= '' then redis.call('SREM', P .. 'co:' .. had[10], id) end
redis.call('ZREM', P .. 'ids', id)
if SEED then
  redis.call('HDEL', P .. 'who', id)
  redis.call('ZREM', P .. 'miss', id)
end
say('{"type":"cleanup_completed","agentId":"' .. id .. '","keysDeleted":' .. total .. '}')
redis.call('DEL', own, rec)
redis.call('ZREM', P .. 'claims', id)
unlock(id, had[8])
if SEED then
  redis.pcall('SREM', 'agents:active', id)
  if legacy then
    redis.pcall('SREM', 'agent:active', id)
    redis.call('SREM', P .. 'known', id)
  end
end
return {'done', total}
