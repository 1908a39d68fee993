-- An agent of the seed that was cleaned up beats again: said once. ARGV: 2 id.
if redis.call('DEL', P .. 'tomb:' .. ARGV[2]) == 1 then
  say('{"type":"zombie_detected","agentId":"' .. ARGV[2] .. '"}')
end
return 1
