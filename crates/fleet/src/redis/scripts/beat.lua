-- Renews leases. The hot one: a single TIME, HMGET and ZADD for all agents of a host.
-- KEYS[1]: prefix. ARGV: 1 number n of agents, n ids, n epochs (16 digits), then optionally
--   number r of reports, r times (index of the agent, JSON, rss, heapUsed, verdict; "" where it is not known)
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
  -- What the fleet takes is added up here, so that nobody has to ask all of its members for it: see totals.lua.
  local ids, whos, texts, sizes, saids, place = {}, {}, {}, {}, {}, {}
  for _ = 1, reports do
    local i = tonumber(ARGV[at])
    if lives[i] then
      local id = ARGV[1 + i]
      -- Of two reports of one agent the later one counts.
      local k = place[id] or #ids + 1
      place[id] = k
      ids[k], whos[k] = id, ARGV[n + 1 + i] .. '|' .. id
      texts[2 * k - 1], texts[2 * k] = id, ARGV[at + 1]
      local size = tonumber(ARGV[at + 2])
      -- More than any machine has is no size, and would spoil the sums.
      sizes[k] = size and math.min(size, 17592186044416) or false
      saids[k] = ARGV[at + 3] .. '|' .. ARGV[at + 4]
    end
    at = at + 5
  end
  if #ids > 0 then
    local nth = math.floor(now / 60000)
    local function mem(of) return P .. 'mem:' .. string.format('%.0f', of) end
    local minute, before = mem(nth), mem(nth - 5)
    local sums = P .. 'sum:' .. string.format('%.0f', nth)
    local old, told = redis.call('ZMSCORE', P .. 'big', unpack(ids)), redis.call('HMGET', P .. 'said', unpack(ids))
    local was = redis.call('HMGET', minute, unpack(whos))
    local base = redis.call('EXISTS', before) == 1 and redis.call('HMGET', before, unpack(whos)) or {}
    local tot, sum, big, small, samples, news = {}, {}, {}, {}, {}, {}
    local function add(to, field, by) to[field] = (to[field] or 0) + by end
    for k, id in ipairs(ids) do
      local size, had = sizes[k], tonumber(old[k] or '')
      if size then
        local last, then_ = tonumber(was[k] or ''), tonumber(base[k] or '')
        add(tot, 'rss', size - (had or 0))
        big[#big + 1], big[#big + 2] = string.format('%.0f', size), id
        samples[#samples + 1], samples[#samples + 2] = whos[k], string.format('%.0f', size)
        add(sum, 'all', size - (last or 0))
        if not last then add(sum, 'count', 1) end
        if then_ then
          add(sum, 'now', size - (last or 0))
          if not last then
            add(sum, 'base', then_)
            add(sum, 'n', 1)
          end
        end
      elseif had then
        add(tot, 'rss', -had)
        small[#small + 1] = id
      end
      if saids[k] ~= (told[k] or '|') then
        news[#news + 1], news[#news + 2] = id, saids[k]
        local heap, verdict = string.match(saids[k], '^(%d*)|(.*)$')
        local heap_was, verdict_was = string.match(told[k] or '|', '^(%d*)|(.*)$')
        if heap ~= heap_was then
          if heap_was ~= '' then
            add(tot, 'heap', -tonumber(heap_was))
            add(tot, 'heaps', -1)
          end
          if heap ~= '' then
            add(tot, 'heap', tonumber(heap))
            add(tot, 'heaps', 1)
          end
        end
        if verdict ~= verdict_was then
          if verdict_was ~= '' then add(tot, 'v:' .. verdict_was, -1) end
          if verdict ~= '' then add(tot, 'v:' .. verdict, 1) end
          if verdict == 'leaking' then redis.call('SADD', P .. 'leaking', id)
          elseif verdict_was == 'leaking' then redis.call('SREM', P .. 'leaking', id) end
        end
      end
    end
    redis.call('HSET', P .. 'rep', unpack(texts))
    if #big > 0 then redis.call('ZADD', P .. 'big', unpack(big)) end
    if #small > 0 then redis.call('ZREM', P .. 'big', unpack(small)) end
    if #news > 0 then redis.call('HSET', P .. 'said', unpack(news)) end
    if #samples > 0 then
      redis.call('HSET', minute, unpack(samples))
      redis.call('EXPIRE', minute, 1200)
    end
    for field, by in pairs(tot) do
      if by ~= 0 then redis.call('HINCRBY', P .. 'tot', field, string.format('%.0f', by)) end
    end
    for field, by in pairs(sum) do
      if by ~= 0 then redis.call('HINCRBY', sums, field, string.format('%.0f', by)) end
    end
    if #samples > 0 then redis.call('EXPIRE', sums, 1200) end
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
