-- Keys of seed 004's agents that are in no registry any more. Decided, and deleted, in one step.
-- ARGV: 2 "1" to delete, 3 seconds for which nobody may have touched a key, then keys: "agent:state:...", "agent:memory:...",
-- "agent:task:...", "agent:deps:...", "cleanup:lock:..."
-- Gives for each key what it is (leaked, deleted, member, busy, touched, limited, unknown, gone) and for how many seconds
-- nobody has touched it, "" where that is not known. What cannot be read is unknown, and stays.
local delete, needed = ARGV[2] == '1', tonumber(ARGV[3])

-- Why nothing of somebody with this name is deleted; nil where nothing is known of him.
local function standing(id)
  if #id == 0 or #id > 128 then return nil end
  if redis.call('EXISTS', P .. 'rec:' .. id) == 1 then return 'member' end
  for _, set in ipairs({'agents:active', 'agent:active'}) do
    local is = redis.pcall('SISMEMBER', set, id)
    if type(is) ~= 'number' then return 'unknown' end
    if is == 1 then return 'member' end
  end
  -- Heartbeats run out by themselves: who has one may be about to join the set.
  if redis.call('EXISTS', 'agent:heartbeat:' .. id, 'agent:' .. id .. ':heartbeat') > 0 then return 'member' end
  -- A lock that never ends is nobody's: it is judged by itself.
  if redis.call('PTTL', 'cleanup:lock:' .. id) >= 0 then return 'busy' end
  return nil
end

local function judge(key)
  if redis.call('EXISTS', key) == 0 then return 'gone', '' end
  local idle = redis.pcall('OBJECT', 'IDLETIME', key)
  if type(idle) ~= 'number' then return 'unknown', '' end
  if redis.call('PTTL', key) >= 0 then return 'limited', idle end
  local locked = string.match(key, '^cleanup:lock:(.+)$')
  if locked then
    -- A lock of the seed or of ours is over after five minutes. A sweep that tries it touches it, but the seed writes when it
    -- locked. To read it is to touch it as well.
    if idle < needed then
      local at = redis.pcall('GET', key)
      at = type(at) == 'string' and string.match(at, '^%d+$') and tonumber(at)
      if at then idle = math.max(idle, math.floor((NOW - at) / 1000)) end
    end
    return idle >= needed and 'leaked' or 'touched', idle
  end
  local kind, rest = string.match(key, '^agent:(%l+):(.+)$')
  if not rest then return 'unknown', '' end
  if kind == 'state' or kind == 'memory' then
    local why = standing(rest)
    if why then return why, idle end
  else
    -- Whoever of those that it may belong to is there keeps it: names may have colons.
    for stop in string.gmatch(rest .. ':', '():') do
      local why = standing(string.sub(rest, 1, stop - 1))
      if why then return why, idle end
    end
  end
  return idle >= needed and 'leaked' or 'touched', idle
end

local out, gone = {}, {}
for i = 4, #ARGV do
  local what, idle = judge(ARGV[i])
  if what == 'leaked' and delete then
    what = 'deleted'
    gone[#gone + 1] = ARGV[i]
  end
  out[#out + 1], out[#out + 2] = what, idle == '' and '' or num(idle)
end
if #gone > 0 then redis.call('UNLINK', unpack(gone)) end
return out
