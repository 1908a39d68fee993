-- One page of seed 004's members that are not ours: what the server holds of their heartbeats. Judged by rules/seed.rs.
-- ARGV: 2 set, or "" for those that were found in "agents:active" before, 3 cursor, 4 about how many, 5 "1" to look only
-- Gives {now, cursor, {"bad", name} | {"seed", id, type, text, its SHA-1, ms left, key,
-- missing since or "", "1" where it was cleaned up}...}
-- or {now, "0", {"set", error}}
local again = ARGV[2] == ''
local page = redis.pcall('SSCAN', again and P .. 'known' or ARGV[2], ARGV[3], 'COUNT', ARGV[4])
if page.err then return {num(NOW), '0', {'set', string.sub(page.err, 1, 100)}} end
local out = {num(NOW), page[1]}
local dry, some_missing = ARGV[5] == '1', redis.call('EXISTS', P .. 'miss') == 1
if some_missing and not dry and ARGV[3] == '0' then
  redis.call('ZREMRANGEBYSCORE', P .. 'miss', '-inf', num(NOW - 3600000))
end
local ours = #page[2] > 0 and redis.call('ZMSCORE', P .. 'ids', unpack(page[2]))
-- Those who are not ours are remembered: see sweep.lua. A look at all begins that list anew.
local notes = not dry and ARGV[2] == 'agents:active'
if notes and ARGV[3] == '0' then redis.call('UNLINK', P .. 'known') end
for i, id in ipairs(page[2]) do
  if notes and not ours[i] then redis.call('SADD', P .. 'known', id) end
  if again and redis.pcall('SISMEMBER', 'agents:active', id) ~= 1 then
    redis.call('SREM', P .. 'known', id)
  elseif ours[i] then
    -- One of ours, which is judged by its lease.
  elseif #id > 128 or not string.match(id, '^[%w%._:%-]+$') then
    out[#out + 1] = {'bad', string.sub(id, 1, 40)}
  elseif redis.call('EXISTS', P .. 'rec:' .. id) == 0 then
    local key = 'agent:heartbeat:' .. id
    local kind = redis.call('TYPE', key).ok
    if kind == 'none' then
      local other = 'agent:' .. id .. ':heartbeat'
      local its = redis.call('TYPE', other).ok
      if its ~= 'none' then key, kind = other, its end
    end
    local text, left, missing = '', -2, ''
    if kind == 'string' then
      if redis.call('STRLEN', key) > 65536 then kind = 'text of more than 64 KiB' else text = redis.call('GET', key) end
      left = redis.call('PTTL', key)
    end
    if kind == 'none' then
      key = ''
      if not dry then redis.call('ZADD', P .. 'miss', 'NX', num(NOW), id) end
      missing = redis.call('ZSCORE', P .. 'miss', id) or ''
    elseif some_missing and not dry then
      redis.call('ZREM', P .. 'miss', id)
    end
    out[#out + 1] = {'seed', id, kind, text, text ~= '' and redis.sha1hex(text) or '', num(left), key, missing, tostring(redis.call('EXISTS', P .. 'tomb:' .. id))}
  end
end
return out
