-- What is known of some agents. ARGV: 2 and on, ids.
-- Gives {now, {id, "epoch" .. lease or "", deadline or "", record..., directive, report}...}; what is not there is "".
local out = {num(NOW)}
for i = 2, #ARGV do
  local id = ARGV[i]
  local had = redis.call('HMGET', P .. 'rec:' .. id, 'st', 'ep', 'ttl', 'host', 'process', 'secret', 'since', 'co', 'seen',
    'reason', 'fence', 'by')
  local one = {id, redis.call('HGET', P .. 'ep', id) or '', redis.call('ZSCORE', P .. 'dl', id) or ''}
  for k = 1, 12 do one[3 + k] = had[k] or '' end
  one[16] = redis.call('HGET', P .. 'dir', id) or ''
  one[17] = redis.call('HGET', P .. 'rep', id) or ''
  out[#out + 1] = one
end
return out
