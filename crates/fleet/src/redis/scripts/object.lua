-- Objects to a claim: the agent lives, says somebody who knows. Believed until something of it is deleted, and never about one
-- that has left by itself. ARGV: 2 id, 3 why as JSON text. Gives 1 or 0.
local had = redis.call('HMGET', P .. 'rec:' .. ARGV[2], 'st', 'reason', 'begun')
if had[1] ~= 'R' or had[2] == 'shutdown' or had[3] then return 0 end
abort(ARGV[2], ARGV[3])
return 1
