-- What the server holds of the heartbeat of one agent of the seed, as legacy.lua gives it, or nothing where it is no member.
-- ARGV: 2 id.
local id = ARGV[2]
if redis.pcall('SISMEMBER', 'agents:active', id) ~= 1 and redis.pcall('SISMEMBER', 'agent:active', id) ~= 1 then return false end
local key = 'agent:heartbeat:' .. id
if redis.call('EXISTS', key) == 0 then key = 'agent:' .. id .. ':heartbeat' end
local kind = redis.call('TYPE', key).ok
if kind ~= 'string' then return {num(NOW), kind, '', '-2'} end
if redis.call('STRLEN', key) > 65536 then return {num(NOW), 'text of more than 64 KiB', '', '-2'} end
return {num(NOW), kind, redis.call('GET', key), num(redis.call('PTTL', key))}
