-- Finds out which of these keys belong to claimed agents of the seed, and remembers them there. Renews the claims.
-- ARGV: 2 lease of a claim in ms, 3 "1" with the last keys, 4 number n of claims, n times (id, fence), then keys:
-- "agent:task:..." and "agent:deps:..."
-- A key's owner is the longest name that its rest begins with, followed by nothing or ":". Where any such name is a member's
-- that is not being cleaned up, the key stays.
local n = tonumber(ARGV[4])
local mine = {}
for i = 1, n do
  local id, fence = ARGV[3 + 2 * i], ARGV[4 + 2 * i]
  local had = redis.call('HMGET', P .. 'rec:' .. id, 'st', 'fence', 'legacy')
  if had[1] == 'R' and had[2] == fence and had[3] == '1' then
    mine[id] = true
    redis.call('ZADD', P .. 'claims', num(NOW + ARGV[2]), id)
  end
end
local found = 0
for i = 5 + 2 * n, #ARGV do
  local key = ARGV[i]
  local rest = string.match(key, '^agent:%l+:(.*)$')
  local owner
  for stop in string.gmatch((rest or '') .. ':', '():') do
    local id = string.sub(rest or '', 1, stop - 1)
    if mine[id] then
      owner = id
    elseif #id > 0 and #id <= 128 and (redis.call('EXISTS', P .. 'rec:' .. id) == 1
      or redis.pcall('SISMEMBER', 'agents:active', id) == 1 or redis.pcall('SISMEMBER', 'agent:active', id) == 1) then
      owner = nil
      break
    end
  end
  if owner then
    redis.call('SADD', P .. 'own:' .. owner, key)
    found = found + 1
  end
end
if ARGV[3] == '1' then
  for id in pairs(mine) do redis.call('HSET', P .. 'rec:' .. id, 'indexed', '1') end
end
return found
