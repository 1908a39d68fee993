-- Some agents of a coordinator now belong to another one, or to themselves.
-- ARGV: 2 from, 3 to or "", 4 how many at most. Gives {changed, left}.
local from, to = P .. 'co:' .. ARGV[2], ARGV[3]
if to == ARGV[2] then return {0, 0} end
local ids, changed = redis.call('SRANDMEMBER', from, ARGV[4]), 0
for _, id in ipairs(ids) do
  local rec = P .. 'rec:' .. id
  if redis.call('HGET', rec, 'co') == ARGV[2] then
    redis.call('HSET', rec, 'co', to)
    if to ~= '' then redis.call('SADD', P .. 'co:' .. to, id) end
    changed = changed + 1
  end
  redis.call('SREM', from, id)
end
return {changed, redis.call('SCARD', from)}
