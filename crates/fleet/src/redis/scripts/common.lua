-- What all scripts but the heartbeat's begin with.
-- KEYS[1]: prefix of all keys ("scupper:{0}:"). ARGV[1]: "1" where seed 004's keys are written and read.
-- Only the server's clock counts. Nothing is rolled back when a script fails half-way: each writes in an order in which
-- stopping anywhere leaves something that a later call finds and finishes.
local P, SEED = KEYS[1], ARGV[1] == '1'
local TIME = redis.call('TIME')
local NOW = TIME[1] * 1000 + math.floor(TIME[2] / 1000)
local MICROS = TIME[1] * 1000000 + TIME[2]

-- A whole number as text; tostring() would lose digits. Epochs and fences have 16, and sort as text.
local function num(n) return string.format('%.0f', n) end
local function num16(n) return string.format('%016.0f', n) end

-- Records and publishes an event; what happened comes as a JSON object without its time.
local function say(what, channel)
  local body = string.sub(what, 1, -2) .. ',"timestamp":' .. num(NOW) .. '}'
  redis.call('XADD', P .. 'ev', 'MAXLEN', '~', 100000, '*', 'e', body)
  redis.call('PUBLISH', channel or 'agent:lifecycle', body)
end

-- The leak window in ms: what is none is 5 minutes, as in beat.lua.
local function leak_window()
  local window = tonumber(redis.call('HGET', P .. 'meta', 'window') or '')
  if window and window >= 5000 and window <= 86400000 and window % 1000 == 0 then return window, true end
  return 300000, false
end

-- Larger than the last one, and than any that was given before this moment, also where the server lost its memory of them.
local numbers = {}
local function next_number(what)
  local last = numbers[what] or tonumber(redis.call('HGET', P .. 'meta', what) or '') or 0
  local n = math.min(math.max(last + 1, MICROS), 9007199254740991)
  redis.call('HSET', P .. 'meta', what, num(n))
  numbers[what] = n
  return num16(n)
end

-- Notices that the server is another process than it was, or has lost its data. Epochs between the last one it knows and
-- this moment were given out and forgotten; the last 16 such spans are kept.
local function came_up(look_only)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or 'unknown'
  local meta = redis.call('HMGET', P .. 'meta', 'run', 'epoch', 'lost')
  if meta[1] == run or look_only then return meta[1] and meta[1] ~= run end
  local spans = {}
  for span in string.gmatch(meta[3] or '', '%d+:%d+') do spans[#spans + 1] = span end
  while #spans > 15 do table.remove(spans, 1) end
  spans[#spans + 1] = num16(tonumber(meta[2] or '') or 0) .. ':' .. num16(MICROS)
  redis.call('HSET', P .. 'meta', 'run', run, 'lost', table.concat(spans, ';'), 'restarted', meta[1] and '1' or '0')
  return meta[1]
end

local function was_lost(epoch)
  for from, to in string.gmatch(redis.call('HGET', P .. 'meta', 'lost') or '', '(%d+):(%d+)') do
    if from < epoch and epoch <= to then return true end
  end
  return false
end

-- Remembers the shortest lease of all members, for the guard after an outage. That of one who has gone stays until nobody is
-- left: it only makes the guard more careful.
local function has_lease(ttl)
  local shortest = tonumber(redis.call('HGET', P .. 'meta', 'shortest') or '')
  ttl = tonumber(ttl)
  if ttl and not (shortest and shortest <= ttl) then redis.call('HSET', P .. 'meta', 'shortest', num(ttl)) end
end

-- Seed 004's lock. Where a coordinator of the seed holds it he cleans up, and nobody else does.
local function lock(id, value, old)
  if not SEED then return true end
  local key = 'cleanup:lock:' .. id
  local taken = redis.pcall('SET', key, value, 'NX', 'PX', 300000)
  if type(taken) == 'table' and taken.ok then return true end
  if old and redis.pcall('GET', key) == old then
    redis.call('SET', key, value, 'PX', 300000)
    return true
  end
  return false
end

-- Only whose it is takes it away.
local function unlock(id, value)
  if SEED and value and redis.pcall('GET', 'cleanup:lock:' .. id) == value then
    redis.pcall('DEL', 'cleanup:lock:' .. id)
  end
end

-- What it said that it takes is no part of the fleet's totals any more.
local function unsay(id)
  local function less(field, by)
    by = tonumber(by or '')
    if by and by ~= 0 then redis.call('HINCRBY', P .. 'tot', field, num(-by)) end
  end
  local verdict = redis.call('HGET', P .. 'verdict', id)
  less('rss', redis.call('ZSCORE', P .. 'big', id))
  less('heap', redis.call('HGET', P .. 'heap', id))
  if verdict then
    less('v:' .. verdict, 1)
    redis.call('HDEL', P .. 'verdict', id)
    redis.call('SREM', P .. 'leaking', id)
  end
  redis.call('ZREM', P .. 'big', id)
  redis.call('HDEL', P .. 'heap', id)
end

-- Fences an incarnation and gives the right to clean up after it. The record says so first: from there on any sweep finds
-- what is left to do. Gives the fence, or nothing where a coordinator of the seed is at it.
local function claim(id, rec, by, host, reason, seen, lease, old)
  local fence = next_number('fence')
  local value = by .. ':' .. fence
  if not lock(id, value, old) then return nil end
  redis.call('HSET', rec, 'st', 'R', 'fence', fence, 'by', by, 'byhost', host, 'reason', reason, 'seen', seen,
    'at', num(NOW), 'lock', value)
  redis.call('ZADD', P .. 'claims', num(NOW + lease), id)
  unsay(id)
  redis.call('HDEL', P .. 'ep', id)
  redis.call('ZREM', P .. 'dl', id)
  return fence
end

-- A cleanup that is not to be: the agent is a member again, and has a fresh lease. Why comes as JSON text.
local function abort(id, why)
  local rec = P .. 'rec:' .. id
  local had = redis.call('HMGET', rec, 'legacy', 'ep', 'ttl', 'fence', 'lock')
  unlock(id, had[5])
  redis.call('SET', P .. 'aborted:' .. id, had[4] or '', 'EX', 3600)
  say('{"type":"cleanup_aborted","agentId":"' .. id .. '","why":' .. why .. '}')
  if had[1] then
    redis.call('DEL', rec, P .. 'own:' .. id)
    redis.call('ZREM', P .. 'miss', id)
  else
    redis.call('HSET', rec, 'st', 'L')
    redis.call('HDEL', rec, 'fence', 'by', 'byhost', 'reason', 'seen', 'at', 'lock', 'taken')
    has_lease(had[3])
    redis.call('ZADD', P .. 'dl', num(NOW + (had[3] or 0)), id)
    redis.call('HSET', P .. 'ep', id, had[2] .. had[3])
  end
  redis.call('ZREM', P .. 'claims', id)
end
