-- Gives a replica a run of dated slots, and keeps what all replicas know of a key.
--
-- KEYS[1] is a hash, its dates in microseconds of Redis' own clock:
--   tat    the date of the next slot that nobody has (theoretical arrival time)
--   held   nothing is sent before this date
--   left   how many requests the upstream's window still allows, until reset
--   reset  the end of that window
--   seen   the date of the last call
-- KEYS[2] is a sorted set: the replicas that use the key, by their last call.
--
-- All numbers are integers below 2^53, so a double holds them exactly.

local want       = tonumber(ARGV[1])  -- slots asked for; 0 for none
local interval   = tonumber(ARGV[2])  -- nanoseconds from slot to slot
local credit     = tonumber(ARGV[3])  -- how far a slot may lie in the past
local patience   = tonumber(ARGV[4])  -- no slots if the first is further away
local id         = ARGV[5]            -- of the replica
local live       = tonumber(ARGV[6])  -- how long a replica counts after a call
local outage     = tonumber(ARGV[7])  -- how long the replica went without Redis; -1 if it did not
local grace      = tonumber(ARGV[8])  -- until the others have noticed that Redis is back
local mark       = tonumber(ARGV[9])  -- tat after the lease whose slots come back
local unused     = tonumber(ARGV[10]) -- how many come back, the last of that lease
local hold       = tonumber(ARGV[11]) -- a pause that the upstream asks for; 0 for none
local remaining  = tonumber(ARGV[12]) -- what the upstream says is left; -1 if nothing new
local resets     = tonumber(ARGV[13]) -- and for how long
local guard      = tonumber(ARGV[14]) -- ends of one window differ by no more

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local state = redis.call('HMGET', KEYS[1], 'tat', 'held', 'left', 'reset', 'seen')
local tat   = tonumber(state[1]) or 0
local held  = tonumber(state[2]) or 0
local left  = tonumber(state[3]) or 0
local reset = tonumber(state[4]) or 0
local seen  = tonumber(state[5]) or -1

-- The clock went back, as it may when a replica of Redis takes over: the dates
-- go with it. Otherwise everybody would wait until it is there again.
if seen > now then
  local back = seen - now
  tat, held, reset, seen = tat - back, held - back, reset - back, now
  redis.call('DEL', KEYS[2])
end

if unused > 0 and mark == tat then
  tat = tat - math.floor(unused * interval / 1000)
end

if hold > 0 then
  held = math.max(held, now + hold)
end

if remaining >= 0 and resets > 0 then
  local ends = now + resets
  if reset <= now or ends > reset + guard then
    left, reset = remaining, ends
  elseif ends >= reset - guard then
    left = math.min(left, remaining)
  end
end

-- A replica comes back without credit: it has spent that on its own. If nobody
-- was here meanwhile, the others are out too and need time to notice.
if outage >= 0 then
  local from = now
  if seen <= now - outage then
    from = now + grace
  end
  tat = math.max(tat, from)
end

local first = math.max(tat, now - credit, held)
local given = want
if reset > first then
  if left <= 0 then
    first = reset
  else
    given = math.min(given, left)
  end
end
local wait = first - now
if wait > patience then
  given = 0
end
if given > 0 then
  tat = first + math.ceil(given * interval / 1000)
  if reset > first then
    left = left - given
  end
end

local function text(n) return string.format('%.0f', n) end
local ttl = math.ceil((math.max(tat + credit, held, reset, now) - now) / 1000) + 60000
redis.call('HSET', KEYS[1], 'tat', text(tat), 'held', text(held), 'left', text(left), 'reset', text(reset), 'seen', text(now))
redis.call('PEXPIRE', KEYS[1], text(ttl))
redis.call('ZADD', KEYS[2], text(now), id)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', text(now - live))
redis.call('PEXPIRE', KEYS[2], text(math.ceil(live / 1000)))

return {given, wait, tat, redis.call('ZCARD', KEYS[2]), math.max(0, held - now)}
