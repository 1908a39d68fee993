-- What was to be done about a lost coordinator is done. ARGV: 2 who. One that is back stays.
local until_then = tonumber(redis.call('ZSCORE', P .. 'coord', ARGV[2]) or '')
if until_then and until_then < NOW then redis.call('ZREM', P .. 'coord', ARGV[2]) end
redis.call('DEL', P .. 'turn:lost:' .. ARGV[2])
return 1
