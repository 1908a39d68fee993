-- Says what only a coordinator knows. ARGV: 2 JSON, 3 channel, 4 "1" where it is only published.
if ARGV[4] == '1' then
  redis.call('PUBLISH', ARGV[3], string.sub(ARGV[2], 1, -2) .. ',"timestamp":' .. num(NOW) .. '}')
else
  say(ARGV[2], ARGV[3])
end
return 1
