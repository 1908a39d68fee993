-- A coordinator ends on purpose. ARGV: 2 who.
redis.call('HDEL', P .. 'coordh', ARGV[2])
redis.call('ZREM', P .. 'coord', ARGV[2])
return 1
