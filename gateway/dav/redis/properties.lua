-- Dead properties. Each call is one step.
--
-- DEAD   directory \0 name -> the properties of a resource, as JSON: name -> element
-- NAMES  the same keys, in order, so that the members of a directory are a range
-- BYTES  what all of them weigh
local DEAD, NAMES, BYTES = unpack(KEYS)
local ask = cjson.decode(ARGV[1])

-- Of the path of a resource without a trailing slash; the root is empty.
local function key_of(path)
  local directory, name = string.match(path, '^(.*)/([^/]*)$')
  return (directory or '') .. '\0' .. (name or '')
end

local function path_of(key)
  local directory, name = string.match(key, '^(.-)%z(.*)$')
  return (directory == '' and name == '') and '' or directory .. '/' .. name
end

local function members(path)
  return redis.call('ZRANGEBYLEX', NAMES, '[' .. path .. '\0\1', '(' .. path .. '\1')
end

local function below(path)
  local found = members(path)
  for _, key in ipairs(redis.call('ZRANGEBYLEX', NAMES, '[' .. path .. '/', '(' .. path .. '0')) do
    table.insert(found, key)
  end
  return found
end

local function get(key)
  local text = redis.call('HGET', DEAD, key)
  return text and cjson.decode(text) or {}
end

local function weight(key, properties)
  local sum = 0
  for name, value in pairs(properties) do
    sum = sum + #name + #value
  end
  return sum > 0 and sum + #path_of(key) or 0
end

local function put(key, properties)
  local more = weight(key, properties) - weight(key, get(key))
  if next(properties) then
    redis.call('HSET', DEAD, key, cjson.encode(properties))
    redis.call('ZADD', NAMES, 0, key)
  else
    redis.call('HDEL', DEAD, key)
    redis.call('ZREM', NAMES, key)
  end
  redis.call('INCRBY', BYTES, more)
end

local function total()
  return tonumber(redis.call('GET', BYTES) or '0')
end

local function tell(key, into)
  local text = redis.call('HGET', DEAD, key)
  if text then
    table.insert(into, { path_of(key), text })
  end
end

-- Everything that is one thing with a path, and below it.
local function of_family(paths, and_below)
  local found = {}
  for _, path in ipairs(paths) do
    table.insert(found, key_of(path))
  end
  if and_below then
    for _, key in ipairs(below(paths[1])) do
      table.insert(found, key)
    end
  end
  return found
end

local operations = {}

function operations.of()
  local found = {}
  tell(key_of(ask.path), found)
  if ask.members then
    for _, key in ipairs(members(ask.path)) do
      tell(key, found)
    end
  end
  return found
end

function operations.update()
  local key = key_of(ask.path)
  local before, after = get(key), get(key)
  for _, change in ipairs(ask.changes) do
    after[change.name] = change.value -- none: the property is removed
  end
  local heavy = weight(key, after)
  local more = heavy - weight(key, before)
  if more > 0 and (total() + more > ask.max_bytes or heavy > ask.max_resource) then
    return { full = true }
  end
  put(key, after)
  return {}
end

function operations.remove()
  for _, key in ipairs(of_family(ask.paths, true)) do
    put(key, {})
  end
  return {}
end

-- In place of what `target` had. A move that finds nothing changes nothing.
function operations.transfer()
  local new, more = {}, 0
  local source, target = ask.sources[1], ask.targets[1]
  local keys = of_family(ask.sources, ask.below)
  for _, key in ipairs(of_family(ask.targets, true)) do
    new[key] = {}
  end
  local found = false
  for _, key in ipairs(keys) do
    local properties = get(key)
    if next(properties) then
      found = true
      new[key_of(target .. string.sub(path_of(key), #source + 1))] = properties
    end
  end
  if ask.move and not found then
    return {} -- it has moved before
  end
  for key, properties in pairs(new) do
    more = more + weight(key, properties) - weight(key, get(key))
  end
  if not ask.move and more > 0 and total() + more > ask.max_bytes then
    return { full = true }
  end
  if ask.move then
    for _, key in ipairs(keys) do
      put(key, {})
    end
  end
  for key, properties in pairs(new) do
    put(key, properties)
  end
  return {}
end

return cjson.encode(operations[ask.operation]())
