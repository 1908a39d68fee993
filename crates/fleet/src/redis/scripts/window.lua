-- The window of the leak check, one for all. ARGV: 2 ms or "" to ask, 3 who.
-- Gives what it is now. Where it is another one and somebody else coordinates, it stays.
local window, is_set = leak_window()
local wanted = tonumber(ARGV[2])
if not wanted or (is_set and wanted == window) then return num(window) end
if is_set then
  local others = redis.call('ZRANGEBYSCORE', P .. 'coord', num(NOW), '+inf', 'LIMIT', 0, 2)
  for _, who in ipairs(others) do
    if who ~= ARGV[3] then return num(window) end
  end
end
redis.call('HSET', P .. 'meta', 'window', num(wanted))
return num(wanted)
