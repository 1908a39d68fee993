-- Renews leases. The hot one: a single TIME, HMGET and ZADD for all agents of a host.
-- KEYS[1]: prefix. ARGV: 1 number n of agents, n ids, n epochs (16 digits), then optionally
--   number r of reports, r times (id, JSON, "epoch|id" or "", rss)
--   number m of mirrored heartbeats, m times (index of the agent, tail of the seed's JSON, rss, heapTotal, heapUsed, external)
-- Gives now, or {now, index, "F", epoch that lives or "", index, "D", directive, ...} with what is not plain acceptance.
local P, n = KEYS[1], tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local said = string.format('%.0f', now)
local lives = redis.call('HMGET', P .. 'ep', unpack(ARGV, 2, n + 1))
local scores, count, odd = {}, 0, nil
local ttl, score
for i = 1, n do
  local it = lives[i]
  if it and string.sub(it, 1, 16) == ARGV[n + 1 + i] then
    local lease = string.sub(it, 17)
    if lease ~= ttl then
      ttl, score = lease, string.format('%.0f', now + lease)
    end
    scores[count + 1], scores[count + 2] = score, ARGV[1 + i]
    count = count + 2
  else
    odd = odd or {said}
    odd[#odd + 1], odd[#odd + 2], odd[#odd + 3] = i, 'F', it and string.sub(it, 1, 16) or ''
    lives[i] = false
  end
end
if count > 0 then redis.call('ZADD', P .. 'dl', unpack(scores)) end
if redis.call('EXISTS', P .. 'dir') == 1 then
  local asked = redis.call('HMGET', P .. 'dir', unpack(ARGV, 2, n + 1))
  for i = 1, n do
    if asked[i] and lives[i] then
      odd = odd or {said}
      odd[#odd + 1], odd[#odd + 2], odd[#odd + 3] = i, 'D', asked[i]
    end
  end
end
local at = 2 * n + 2
local reports = tonumber(ARGV[at] or '0')
at = at + 1
if reports > 0 then
  local texts, sizes, minute = {}, {}, P .. 'mem:' .. string.format('%.0f', math.floor(now / 60000))
  for _ = 1, reports do
    local i = tonumber(ARGV[at])
    if lives[i] then
      texts[#texts + 1], texts[#texts + 2] = ARGV[1 + i], ARGV[at + 1]
      if ARGV[at + 2] ~= '' then
        sizes[#sizes + 1], sizes[#sizes + 2] = ARGV[n + 1 + i] .. '|' .. ARGV[1 + i], ARGV[at + 2]
      end
    end
    at = at + 3
  end
  if #texts > 0 then redis.call('HSET', P .. 'rep', unpack(texts)) end
  if #sizes > 0 then
    redis.call('HSET', minute, unpack(sizes))
    redis.call('EXPIRE', minute, 1200)
  end
end
local mirrored = tonumber(ARGV[at] or '0')
at = at + 1
if mirrored > 0 then
  -- What nobody listens to is not published.
  local heard = redis.call('PUBSUB', 'NUMSUB', 'agent:lifecycle')[2] > 0 or redis.call('PUBSUB', 'NUMPAT') > 0
  local who = redis.call('HMGET', P .. 'who', unpack(ARGV, 2, n + 1))
  local active = {}
  for _ = 1, mirrored do
    local i = tonumber(ARGV[at])
    local id = ARGV[1 + i]
    if lives[i] then
      active[#active + 1] = id
      local tail = who[i] and (who[i] .. ',') or ''
      redis.call('SET', 'agent:heartbeat:' .. id,
        '{"agentId":"' .. id .. '","timestamp":' .. said .. ',' .. tail .. ARGV[at + 1] .. '}', 'PX', 180000)
      if ARGV[at + 2] ~= '' then
        -- A key of this name that is no hash is not ours to mend.
        local kept = redis.pcall('HSET', 'agent:memory:' .. id, 'rss', ARGV[at + 2], 'heapTotal', ARGV[at + 3],
          'heapUsed', ARGV[at + 4], 'external', ARGV[at + 5], 'timestamp', said)
        if type(kept) == 'number' then redis.call('EXPIRE', 'agent:memory:' .. id, 3600) end
      end
      if heard then
        redis.call('PUBLISH', 'agent:lifecycle',
          '{"type":"heartbeat_sent","agentId":"' .. id .. '","timestamp":' .. said .. '}')
      end
    end
    at = at + 6
  end
  if #active > 0 then redis.pcall('SADD', 'agents:active', unpack(active)) end
end
return odd or said
