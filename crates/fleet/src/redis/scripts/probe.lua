-- Whether scripts may run, and write what they write. ARGV: 2 any text.
redis.call('SET', P .. 'probe', ARGV[2], 'PX', 1000)
redis.call('XLEN', P .. 'ev')
if SEED then
  redis.call('SISMEMBER', 'agents:active', ARGV[2])
  redis.call('EXISTS', 'cleanup:lock:' .. ARGV[2])
end
came_up(true)
return 1
