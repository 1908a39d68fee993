-- What the fleet takes: sums that heartbeats keep (beat.lua), so that the effort does not grow with the number of agents.
-- ARGV: 2 how many are named
-- Gives {now, members, rss, heap or "", what the store takes, {verdict, count...}, {id, rss...}, {id that leaks...},
-- {baseline, current, members} of the growth, window in ms}
local window = leak_window()
local period = window / 5
local nth = math.floor(NOW / period)
local named = period == 60000 and 'sum:' or 'sum:' .. num(period) .. ':'
local tot, rss, heap, verdicts = redis.call('HGETALL', P .. 'tot'), '0', '0', {}
for i = 1, #tot, 2 do
  local field, value = tot[i], tot[i + 1]
  if field == 'rss' then rss = value
  elseif field == 'heap' then heap = value
  elseif string.sub(field, 1, 2) == 'v:' and tonumber(value) > 0 then
    verdicts[#verdicts + 1], verdicts[#verdicts + 2] = string.sub(field, 3), value
  end
end
local function sums(of) return redis.call('HMGET', P .. named .. num(of), 'base', 'now', 'n', 'all', 'count') end
-- The period that runs is incomplete. Of the last two whole ones that counts in which more have said what they take: who says it
-- every other period is in one of them alone.
local last, other = sums(nth - 1), sums(nth - 2)
if tonumber(other[3] or '0') > tonumber(last[3] or '0') then last = other end
local seed = 0
if SEED then
  seed = tonumber(redis.call('HGET', P .. 'meta', 'smembers') or '') or 0
  -- What everybody took a window ago, where seed 004's readers look for it.
  local then_ = sums(nth - 5)
  if then_[5] then
    redis.call('SET', 'memory:baseline', '{"totalAgents":' .. then_[5] .. ',"totalHeapUsed":null,"totalRSS":' .. then_[4]
      .. ',"redisMemory":null,"timestamp":' .. num((nth - 5) * period) .. '}', 'PX', num(2 * window))
  end
end
return {num(NOW), num(redis.call('ZCARD', P .. 'dl') + seed), rss, redis.call('EXISTS', P .. 'heap') == 1 and heap or '',
  string.match(redis.call('INFO', 'memory'), 'used_memory:(%d+)') or '', verdicts,
  redis.call('ZREVRANGE', P .. 'big', 0, ARGV[2] - 1, 'WITHSCORES'), redis.call('SRANDMEMBER', P .. 'leaking', ARGV[2]),
  {last[1] or '0', last[2] or '0', last[3] or '0'}, num(window)}
