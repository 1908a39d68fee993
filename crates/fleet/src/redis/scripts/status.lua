-- The registry in a few numbers.
-- Gives {now, grace until, hold until, dead and members of the hold, members, expired, claims, {coordinator, until, host}...}
local meta = redis.call('HMGET', P .. 'meta', 'grace', 'until', 'hdead', 'hmembers', 'sdead', 'smembers')
for i = 1, 6 do meta[i] = tonumber(meta[i] or '') or 0 end
local out = {num(NOW), num(meta[1]), num(meta[2]), num(meta[3]), num(meta[4]),
  num(redis.call('ZCARD', P .. 'dl') + meta[6]), num(redis.call('ZCOUNT', P .. 'dl', '-inf', num(NOW)) + meta[5]),
  num(redis.call('ZCARD', P .. 'claims'))}
local who = redis.call('ZRANGE', P .. 'coord', 0, 999, 'WITHSCORES')
for i = 1, #who, 2 do
  out[#out + 1] = {who[i], who[i + 1], redis.call('HGET', P .. 'coordh', who[i]) or ''}
end
return out
