-- Locks, and marks on what is being written. Each call is one step, by the clock of Redis.
--
-- LOCKS   token -> lock, as JSON
-- PLACES  place \0 token, in order, so that what is under a place is a range
-- ENDS    the same, by the time at which the lock ends, in milliseconds
-- MARKS, MARK_ENDS  place \0 S|D identity, in the same two ways; D: everything below is marked, too
local LOCKS, PLACES, ENDS, MARKS, MARK_ENDS = unpack(KEYS)
local ask = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function place_of(member)
  return string.match(member, '^(.-)%z')
end

local function tail_of(member)
  return string.match(member, '%z(.*)$')
end

local function forget(member)
  redis.call('ZREM', PLACES, member)
  redis.call('ZREM', ENDS, member)
  redis.call('HDEL', LOCKS, tail_of(member))
end

local function unmark(member)
  redis.call('ZREM', MARKS, member)
  redis.call('ZREM', MARK_ENDS, member)
end

local function at(index, place)
  return redis.call('ZRANGEBYLEX', index, '[' .. place .. '\0', '(' .. place .. '\1')
end

local function under(index, place)
  if place == '/' then
    return redis.call('ZRANGEBYLEX', index, '[/\1', '(0')
  end
  return redis.call('ZRANGEBYLEX', index, '[' .. place .. '/', '(' .. place .. '0')
end

local function lock_of(member)
  local text = redis.call('HGET', LOCKS, tail_of(member))
  if not text then
    return nil
  end
  local lock = cjson.decode(text)
  lock.left = redis.call('ZSCORE', ENDS, member) - now
  return lock
end

local function gather(members, into, wanted)
  for _, member in ipairs(members) do
    local lock = lock_of(member)
    if lock and (not wanted or wanted(lock)) then
      table.insert(into, lock)
    end
  end
  return into
end

local function is_deep(lock)
  return lock.depth == 'infinity'
end

local function is_shallow(lock)
  return lock.depth ~= 'infinity'
end

local function covering(places)
  local found = gather(at(PLACES, places[1]), {})
  for i = 2, #places do
    gather(at(PLACES, places[i]), found, is_deep)
  end
  return found
end

-- Of several shared locks one token is enough.
local function demand(locks, submitted, into)
  local has_one = false
  for _, lock in ipairs(locks) do
    has_one = has_one or submitted[lock.token]
  end
  for _, lock in ipairs(locks) do
    if not submitted[lock.token] and not (has_one and lock.scope == 'shared') then
      table.insert(into, lock.href)
    end
  end
end

local operations = {}

function operations.look()
  local found = { covering = {}, below = {} }
  for i, places in ipairs(ask.places) do
    found.covering[i] = covering(places)
  end
  if ask.below then
    gather(at(PLACES, ask.below), found.below)
    gather(under(PLACES, ask.below), found.below)
  end
  return found
end

function operations.get()
  local text = redis.call('HGET', LOCKS, ask.token)
  return text and lock_of(cjson.decode(text).root .. '\0' .. ask.token) or {}
end

function operations.acquire()
  local lock, places = ask.lock, ask.places
  if redis.call('HEXISTS', LOCKS, lock.token) == 1 then
    return {} -- asked a second time
  end
  local deep, busy, rivals = is_deep(lock), {}, {}
  for i, place in ipairs(places) do
    for _, member in ipairs(at(MARKS, place)) do
      if i == 1 or string.sub(tail_of(member), 1, 1) == 'D' then
        table.insert(busy, place)
      end
    end
  end
  local others = covering(places)
  if deep then
    for _, member in ipairs(under(MARKS, places[1])) do
      table.insert(busy, place_of(member))
    end
    gather(under(PLACES, places[1]), others)
  end
  if #busy > 0 then
    return { written = busy }
  end
  for _, other in ipairs(others) do
    if lock.scope == 'exclusive' or other.scope == 'exclusive' then
      table.insert(rivals, other.href)
    end
  end
  if #rivals > 0 then
    return { rivals = rivals }
  end
  if redis.call('HLEN', LOCKS) >= ask.max_locks then
    return { full = true }
  end
  if #at(PLACES, places[1]) >= ask.max_shared then
    return { crowded = true }
  end
  local member = lock.root .. '\0' .. lock.token
  redis.call('HSET', LOCKS, lock.token, cjson.encode(lock))
  redis.call('ZADD', PLACES, 0, member)
  redis.call('ZADD', ENDS, now + ask.timeout, member)
  return {}
end

function operations.refresh()
  local text = redis.call('HGET', LOCKS, ask.token)
  if not text then
    return {}
  end
  local member = cjson.decode(text).root .. '\0' .. ask.token
  redis.call('ZADD', ENDS, now + ask.timeout, member)
  return lock_of(member)
end

function operations.release()
  for _, token in ipairs(ask.tokens) do
    local text = redis.call('HGET', LOCKS, token)
    if text then
      forget(cjson.decode(text).root .. '\0' .. token)
    end
  end
  return {}
end

function operations.mark()
  for _, member in ipairs(ask.marks) do
    redis.call('ZADD', MARKS, 0, member)
    redis.call('ZADD', MARK_ENDS, now + ask.timeout, member)
  end
  return {}
end

function operations.begin()
  local submitted, missing = {}, {}
  for _, token in ipairs(ask.submitted) do
    submitted[token] = true
  end
  local locks = covering(ask.places)
  if ask.parent then
    gather(at(PLACES, ask.parent), locks, is_shallow)
  end
  demand(locks, submitted, missing)
  if ask.removes then
    local members = {}
    for _, lock in ipairs(gather(under(PLACES, ask.places[1]), {})) do
      members[lock.root] = members[lock.root] or {}
      table.insert(members[lock.root], lock)
    end
    for _, there in pairs(members) do
      demand(there, submitted, missing)
    end
  end
  if #missing > 0 then
    return { missing = missing }
  end
  return operations.mark()
end

operations['end'] = function()
  for _, member in ipairs(ask.marks) do
    unmark(member)
  end
  return {}
end

for _, member in ipairs(redis.call('ZRANGEBYSCORE', ENDS, '-inf', now)) do
  forget(member)
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', MARK_ENDS, '-inf', now)) do
  unmark(member)
end
return cjson.encode(operations[ask.operation]())
