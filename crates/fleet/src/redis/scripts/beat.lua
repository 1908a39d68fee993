-- Renews leases. The hot one: a single TIME, HMGET and ZADD for all agents of a host.
-- KEYS[1]: prefix. ARGV: 1 number n of agents, n ids, n epochs (16 digits), then optionally
--   number r of reports, period in which the caller samples in ms, r times (index of the agent, JSON or "" where it says what it said before, rss, heapUsed,
--   verdict; "" where it is not known)
--   number m of mirrored heartbeats, m times (index of the agent, tail of the seed's JSON, rss, heapTotal, heapUsed, external)
-- Gives now, or {now, index, "F", epoch that lives or "", index, "D", directive, ...} with what is not plain acceptance, and
-- 0, "P", period in ms where the registry has another one than the caller.
local P, n = KEYS[1], tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local said = string.format('%.0f', now)
local lives = redis.call('HMGET', P .. 'ep', unpack(ARGV, 2, n + 1))
local scores, count, odd = {}, 0, nil
local ttl, score, period
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
if ARGV[at - 1] then
  local theirs = ARGV[at]
  at = at + 1
  -- The leak window is the registry's setting (window.lua), and what is none is 5 minutes.
  local window = tonumber(redis.call('HGET', P .. 'meta', 'window') or '')
  if not (window and window >= 5000 and window <= 86400000 and window % 1000 == 0) then window = 300000 end
  period = window / 5
  if string.format('%.0f', period) ~= theirs then
    odd = odd or {said}
    odd[#odd + 1], odd[#odd + 2], odd[#odd + 3] = 0, 'P', string.format('%.0f', period)
  end
end
if reports > 0 then
  -- What the fleet takes is added up here, so that nobody has to ask all of its members for it: see totals.lua. Sizes come as
  -- digits, none larger than any machine; of what is not known there is an empty text.
  local nth = math.floor(now / period)
  -- The minutes of the default window have no period in their names.
  local of = period == 60000 and '' or string.format('%.0f', period) .. ':'
  local samples_key, before = P .. 'mem:' .. of .. string.format('%.0f', nth), P .. 'mem:' .. of .. string.format('%.0f', nth - 5)
  local sums = P .. 'sum:' .. of .. string.format('%.0f', nth)
  local kept = math.ceil(period / 50)
  if redis.call('EXISTS', sums) == 0 then
    redis.call('HSET', sums, 'all', redis.call('HGET', P .. 'tot', 'rss') or '0', 'count', redis.call('ZCARD', P .. 'big'))
    redis.call('EXPIRE', sums, kept)
  end
  -- All of them are samples of this period; those with a text are news.
  local whos, sizes, samples, place, count = {}, {}, {}, {}, 0
  local ids, texts, news, news_place, fresh = {}, {}, {}, {}, 0
  for _ = 1, reports do
    local i = tonumber(ARGV[at])
    if lives[i] then
      local id, size = ARGV[1 + i], ARGV[at + 2]
      -- Of two reports of one agent the later one counts.
      if size ~= '' then
        local k = place[id]
        if not k then
          count = count + 1
          k = count
          place[id] = k
        end
        local who = ARGV[n + 1 + i] .. '|' .. id
        whos[k], sizes[k], samples[2 * k - 1], samples[2 * k] = who, size, who, size
      end
      if ARGV[at + 1] ~= '' then
        local k = news_place[id]
        if not k then
          fresh = fresh + 1
          k = fresh
          news_place[id] = k
        end
        ids[k], news[k], texts[2 * k - 1], texts[2 * k] = id, at, id, ARGV[at + 1]
      end
    end
    at = at + 5
  end
  if count > 0 then
    if redis.call('EXISTS', before) == 1 then
      local base, was = redis.call('HMGET', before, unpack(whos)), redis.call('HMGET', samples_key, unpack(whos))
      local base_sum, now_sum, grown = 0, 0, 0
      for k = 1, count do
        local then_ = base[k]
        if then_ then
          if was[k] then
            now_sum = now_sum + sizes[k] - was[k]
          else
            now_sum, base_sum, grown = now_sum + sizes[k], base_sum + then_, grown + 1
          end
        end
      end
      if grown ~= 0 or now_sum ~= 0 then
        redis.call('HINCRBY', sums, 'base', string.format('%.0f', base_sum))
        redis.call('HINCRBY', sums, 'now', string.format('%.0f', now_sum))
        redis.call('HINCRBY', sums, 'n', grown)
      end
    end
    redis.call('HSET', samples_key, unpack(samples))
    redis.call('EXPIRE', samples_key, kept)
  end
  if fresh > 0 then
    -- By how much a sum changes with what one agent says. What it takes is kept as this pair; what it does not know any more is
    -- forgotten.
    local function change(size, was, kept, first, second, forget, key, id)
      if size ~= '' then
        local place = #kept
        kept[place + 1], kept[place + 2] = first, second
        return size - (was or 0)
      end
      if not was then return 0 end
      redis.call(forget, P .. key, id)
      return -was
    end
    local old, judged = redis.call('ZMSCORE', P .. 'big', unpack(ids)), redis.call('HMGET', P .. 'verdict', unpack(ids))
    local heaps = redis.call('HMGET', P .. 'heap', unpack(ids))
    local rss, heap, big, used = 0, 0, {}, {}
    for k = 1, fresh do
      local id, from = ids[k], news[k]
      local size, uses, verdict, was = ARGV[from + 2], ARGV[from + 3], ARGV[from + 4], judged[k] or ''
      rss = rss + change(size, old[k], big, size, id, 'ZREM', 'big', id)
      heap = heap + change(uses, heaps[k], used, id, uses, 'HDEL', 'heap', id)
      if verdict ~= was then
        if was ~= '' then redis.call('HINCRBY', P .. 'tot', 'v:' .. was, -1) end
        if verdict ~= '' then
          redis.call('HINCRBY', P .. 'tot', 'v:' .. verdict, 1)
          redis.call('HSET', P .. 'verdict', id, verdict)
        else
          redis.call('HDEL', P .. 'verdict', id)
        end
        if verdict == 'leaking' then redis.call('SADD', P .. 'leaking', id)
        elseif was == 'leaking' then redis.call('SREM', P .. 'leaking', id) end
      end
    end
    redis.call('HSET', P .. 'rep', unpack(texts))
    if #big > 0 then redis.call('ZADD', P .. 'big', unpack(big)) end
    if #used > 0 then redis.call('HSET', P .. 'heap', unpack(used)) end
    if rss ~= 0 then redis.call('HINCRBY', P .. 'tot', 'rss', string.format('%.0f', rss)) end
    if heap ~= 0 then redis.call('HINCRBY', P .. 'tot', 'heap', string.format('%.0f', heap)) end
  end
end
local mirrored = tonumber(ARGV[at] or '0')
at = at + 1
if mirrored > 0 then
  -- What nobody listens to is not published.
  local heard = redis.call('PUBSUB', 'NUMSUB', 'agent:lifecycle')[2] > 0 or redis.call('PUBSUB', 'NUMPAT') > 0
  local who = redis.call('HMGET', P .. 'who', unpack(ARGV, 2, n + 1))
  local active, some, call = {}, 0, redis.call
  for _ = 1, mirrored do
    local i = tonumber(ARGV[at])
    local id = ARGV[1 + i]
    if lives[i] then
      some = some + 1
      active[some] = id
      -- Its tail begins with what it said of its process, where that is known.
      call('SETEX', 'agent:heartbeat:' .. id, '180',
        '{"agentId":"' .. id .. '","timestamp":' .. said .. (who[i] and ',' .. who[i] or '') .. ',' .. ARGV[at + 1] .. '}')
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
  if some > 0 then redis.pcall('SADD', 'agents:active', unpack(active)) end
end
return odd or said
