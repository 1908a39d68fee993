-- Looks for orphans and claims them: guard after an outage, mass brake, claims. The same arithmetic as in rules/.
-- ARGV: 2 coordinator, 3 host, 4 "1" to look only, 5 "1" where a person asked, then ms and counts: 6 batch, 7 lease of a
-- claim, 8 longest gap, 9 grace, 10 interval, 11 hold, 12 lease of an agent, 13 silence of a suspect, 14 period of the seed,
-- 15 most entries, 16 agents of the seed that look dead ("" where nobody has looked), 17 agents of the seed,
-- 18 time between two sweeps, 19 number of names, the names, then orphans of the seed as they were seen: id, reason, seen,
-- idle, key, SHA-1, ms left
-- Gives {"scan", "all" or "known"} where somebody has to look at the seed's agents first, else
-- {now, phase, until, dead, members of the brake, members, suspects, claims, unclaimed, lost, expired, cleanups, delegated}
local by, host, dry, asked = ARGV[2], ARGV[3], ARGV[4] == '1', ARGV[5] == '1'
local batch, lease, gap, grace, interval, hold = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]),
  tonumber(ARGV[10]), tonumber(ARGV[11])
local ttl, suspect, period, most_entries = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])
local tick, names = tonumber(ARGV[18]), tonumber(ARGV[19])
local meta_key, dl, claims_key = P .. 'meta', P .. 'dl', P .. 'claims'
local meta = redis.call('HMGET', meta_key, 'last', 'grace', 'since', 'claimed', 'until', 'sdead', 'smembers', 'sscan', 'shortest')
for i = 1, 9 do meta[i] = meta[i] and tonumber(meta[i]) end

if SEED and ARGV[16] == '' and (dry or asked or not meta[8] or NOW >= meta[8] + period or NOW < meta[8]) then
  -- A person's look takes nobody's turn.
  if not dry and not asked then
    redis.call('HSET', meta_key, 'sscan', num(NOW))
    -- Where nobody can be in the set but ours and those who were found there before, only these are looked at: the effort is
    -- not to grow with the number of ours.
    local known, active = redis.call('SCARD', P .. 'known'), redis.pcall('SCARD', 'agents:active')
    if type(active) == 'number' and active == redis.call('ZCARD', P .. 'ids') + known
      and redis.call('EXISTS', 'agent:active') == 0 then
      if known > 0 then return {'scan', 'known'} end
      meta[6], meta[7] = 0, 0
    else
      return {'scan', 'all'}
    end
  else
    return {'scan', 'all'}
  end
end
local sdead = tonumber(ARGV[16]) or meta[6] or 0
local smembers = tonumber(ARGV[17]) or meta[7] or 0

-- The guard.
local restarted = came_up(dry) or redis.call('HGET', meta_key, 'restarted') == '1'
local last, graced, why = meta[1], meta[2], nil
-- Silence that is nothing beside our own lease may be longer than somebody else's. Three sweeps may always come late.
local nobody = redis.call('ZCARD', dl) == 0
if meta[9] and not nobody then gap = math.min(gap, math.max(meta[9] / 4, 3 * tick)) end
if not last then
  why = 'nobody has swept this registry before'
elseif restarted then
  why = 'the registry was restarted'
elseif NOW + 1000 < last then
  why = "the registry's clock went back by " .. num(last - NOW) .. ' ms'
  graced = nil
elseif NOW - last > gap then
  why = 'nobody has swept for ' .. num(math.floor((NOW - last) / 1000)) .. ' s'
end
if why then
  local wait = grace
  if last and restarted then
    -- Whoever beat last before the server went may count on that for a whole lease.
    wait = math.max(wait, ttl)
    local cursor = '0'
    repeat
      local page = redis.call('HSCAN', P .. 'ep', cursor, 'COUNT', 1000)
      cursor = page[1]
      for i = 2, #page[2], 2 do wait = math.max(wait, tonumber(string.sub(page[2][i], 17)) or 0) end
    until cursor == '0'
    graced = nil
  end
  graced = math.max(graced or 0, NOW + wait)
end
if not dry then
  -- Those who had it have gone.
  if nobody and meta[9] then redis.call('HDEL', meta_key, 'shortest') end
  redis.call('HSET', meta_key, 'last', num(NOW), 'restarted', '0', 'grace', num(graced or 0),
    'sdead', num(sdead), 'smembers', num(smembers))
  if why then say('{"type":"grace_started","why":"' .. why .. '","until":' .. num(graced) .. '}') end
end
local phase, till = 'open', 0
if graced and NOW < graced then phase, till = 'grace', graced end

-- Coordinators. After an outage none of them could say that it lives.
local lost = {}
if not dry then
  if not asked then
    redis.call('ZADD', P .. 'coord', num(NOW + lease), by)
    redis.call('HSET', P .. 'coordh', by, host)
  end
  if phase == 'open' then
    for _, who in ipairs(redis.call('ZRANGEBYSCORE', P .. 'coord', '-inf', '(' .. num(NOW), 'LIMIT', 0, 100)) do
      -- Told to one; to another one where that one does not settle it. The event is said once.
      if redis.call('SET', P .. 'turn:lost:' .. who, by, 'NX', 'PX', lease) then
        lost[#lost + 1] = who
        if redis.call('HDEL', P .. 'coordh', who) == 1 then
          say('{"type":"coordinator_lost","coordinator":"' .. who .. '"}')
        end
      end
    end
  end
end

-- The brake, over one round of heartbeats.
local dead = redis.call('ZCOUNT', dl, '-inf', '(' .. num(NOW)) + sdead
local members = redis.call('ZCARD', dl) + smembers
local since, claimed, held = meta[3], meta[4] or 0, meta[5]
local most, counted_dead, counted = batch, dead, members
if phase == 'open' then
  -- While it holds or trickles they count on: else a hold would end with the round.
  if since and not held and (NOW < since or NOW - since > interval) then since, claimed = nil, 0 end
  counted_dead, counted = dead + claimed, members + claimed
  local brakes = counted_dead > math.max(3, math.floor(counted * 3 / 10)) and dead > 0
  local begins = false
  if not brakes then
    held = nil
  elseif not asked then
    begins = not held
    held = math.min(held or NOW + hold, NOW + hold)
    if NOW < held then
      phase, till = 'hold', held
    else
      most = math.max(1, math.floor(batch / 10))
    end
  end
  if not dry then
    if begins then
      say('{"type":"hold_started","dead":' .. num(counted_dead) .. ',"members":' .. num(counted) .. ',"until":' .. num(held) .. '}')
    end
    if held then redis.call('HSET', meta_key, 'until', num(held), 'hdead', num(counted_dead), 'hmembers', num(counted))
    elseif meta[5] then redis.call('HDEL', meta_key, 'until') end
  end
end

if names > 0 then most = most_entries end

-- Who is it about: those that are named, or those whose lease is over, the longest first.
local expired, over = {}, {}
if names > 0 then
  for i = 1, names do
    local id = ARGV[19 + i]
    local score = redis.call('ZSCORE', dl, id)
    if score and tonumber(score) < NOW then expired[#expired + 1], expired[#expired + 2] = id, score end
    local till_then = redis.call('ZSCORE', claims_key, id)
    if till_then and tonumber(till_then) < NOW then over[#over + 1] = id end
  end
elseif dead > sdead then
  local wanted = (dry or phase ~= 'open') and most_entries or most
  expired = redis.call('ZRANGEBYSCORE', dl, '-inf', '(' .. num(NOW), 'WITHSCORES', 'LIMIT', 0, wanted)
end
local is_named = {}
for i = 1, names do is_named[ARGV[19 + i]] = true end
local claims, unclaimed, fresh, freed = {}, {}, 0, 0

if dry or phase ~= 'open' then
  for i = 1, #expired, 2 do
    local id = expired[i]
    local had = string.sub(redis.call('HGET', P .. 'ep', id) or '', 17)
    local seen = math.max(0, tonumber(expired[i + 1]) - (tonumber(had) or 0))
    unclaimed[#unclaimed + 1] = {id, 'stale_heartbeat', num(seen), num(NOW - seen)}
  end
  for i = 20 + names, #ARGV, 7 do
    if #unclaimed < most_entries and (names == 0 or is_named[ARGV[i]]) then
      unclaimed[#unclaimed + 1] = {ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]}
    end
  end
else
  local function started(id, reason, taken)
    say('{"type":"cleanup_started","agentId":"' .. id .. '","reason":"' .. reason .. '"' .. (taken and ',"takenOn":true' or '') .. '}')
    -- For coordinators that may hear it: a word that does not get through ends nothing half-way.
    if reason == 'missing_heartbeat' or reason == 'stale_heartbeat' then redis.pcall('PUBLISH', P .. 'begun', id) end
  end
  for i = 1, #expired, 2 do
    if fresh >= most then break end
    local id = expired[i]
    local rec = P .. 'rec:' .. id
    local had = redis.pcall('HMGET', rec, 'process', 'host', 'co', 'ep', 'ttl')
    local seen = math.max(0, tonumber(expired[i + 1]) - (tonumber(had[5] or '') or 0))
    local fence = not had.err and claim(id, rec, by, host, 'stale_heartbeat', num(seen), lease)
    if had.err then
      -- Told as trouble; the others are not to wait behind it.
      claims[#claims + 1] = {id}
      redis.call('ZADD', dl, num(NOW + lease), id)
    elseif fence then
      fresh = fresh + 1
      started(id, 'stale_heartbeat')
      claims[#claims + 1] = {id, had[4] or '', fence, 'stale_heartbeat', num(seen), num(NOW - seen),
        had[1] or '', had[2] or '', had[3] or '', '0'}
    else
      -- A coordinator of the seed is at it: the others are not to wait behind it.
      redis.call('ZADD', dl, num(NOW + lease), id)
    end
  end
  for i = 20 + names, #ARGV, 7 do
    local id, key, rec = ARGV[i], ARGV[i + 4], P .. 'rec:' .. ARGV[i]
    local is_same = false
    if fresh < most and (names == 0 or is_named[id]) and redis.call('EXISTS', rec) == 0 then
      if key == '' then
        is_same = redis.call('EXISTS', 'agent:heartbeat:' .. id, 'agent:' .. id .. ':heartbeat') == 0
      else
        is_same = redis.call('TYPE', key).ok == 'string' and redis.sha1hex(redis.call('GET', key)) == ARGV[i + 5]
          and redis.call('PTTL', key) <= tonumber(ARGV[i + 6])
      end
    end
    if is_same then
      local fence = claim(id, rec, by, host, ARGV[i + 1], ARGV[i + 2], lease)
      if fence then
        redis.call('HSET', rec, 'legacy', '1', 'text', ARGV[i + 5], 'left', ARGV[i + 6])
        fresh, freed = fresh + 1, freed + 1
        started(id, ARGV[i + 1])
        claims[#claims + 1] = {id, '', fence, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], '', '', '', '0'}
      end
    end
  end
  -- What others began and did not finish. Whoever still tries to is told that his claim is stale.
  if names == 0 then
    over = redis.call('ZRANGEBYSCORE', claims_key, '-inf', '(' .. num(NOW), 'LIMIT', 0, math.min(most, most_entries - #claims))
  end
  for _, id in ipairs(over) do
    local rec = P .. 'rec:' .. id
    local had = redis.pcall('HMGET', rec, 'st', 'ep', 'reason', 'seen', 'process', 'host', 'co', 'lock', 'at')
    if had.err then
      claims[#claims + 1] = {id}
      redis.call('ZADD', claims_key, num(NOW + lease), id)
    elseif had[1] ~= 'R' then
      redis.call('ZREM', claims_key, id)
    else
      local at, seen = tonumber(had[9] or ''), tonumber(had[4] or '')
      had[3], had[4] = had[3] or 'unknown', had[4] or ''
      local fence = claim(id, rec, by, host, had[3], had[4], lease, had[8])
      if fence then
        redis.call('HSET', rec, 'taken', '1')
        started(id, had[3], true)
        claims[#claims + 1] = {id, had[2] or '', fence, had[3], had[4],
          at and seen and num(at - seen) or '', had[5] or '', had[6] or '', had[7] or '', '1'}
      else
        redis.call('ZADD', claims_key, num(NOW + lease), id)
      end
    end
  end
  if fresh > 0 and not asked then since, claimed = since or NOW, claimed + fresh end
  if since then
    redis.call('HSET', meta_key, 'since', num(since), 'claimed', num(claimed))
  elseif meta[3] then
    redis.call('HDEL', meta_key, 'since', 'claimed')
  end
  if freed > 0 then redis.call('HSET', meta_key, 'sdead', num(math.max(0, sdead - freed)), 'smembers', num(math.max(0, smembers - freed))) end
end
return {num(NOW), phase, num(till), num(counted_dead), num(counted),
  num(redis.call('ZCARD', dl) + smembers - freed),
  num(redis.call('ZCOUNT', dl, '-inf', '(' .. num(NOW + ttl - suspect))), claims, unclaimed, lost,
  num(redis.call('ZCOUNT', dl, '-inf', '(' .. num(NOW)) + sdead - freed), num(redis.call('ZCARD', claims_key)),
  num(redis.call('HLEN', P .. 'deleg:' .. host))}
