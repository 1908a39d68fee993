-- Whose turn it is to do something for all. ARGV: 2 what, 3 who, 4 ms. Gives 1 or 0.
local key = P .. 'turn:' .. ARGV[2]
local holds = redis.call('GET', key)
if holds and holds ~= ARGV[3] then return 0 end
redis.call('SET', key, ARGV[3], 'PX', ARGV[4])
return 1
