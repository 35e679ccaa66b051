-- What happens to the rooms. Redis runs one call of this at a time, as the one lock does for the rooms in memory.
--
-- ARGV: what is called, the lease of the node that calls, and what the call takes. A refusal is an error whose code
-- script.rs turns into a sentence. KEYS[1] begins the names of all keys:
--   :leases    lease -> when it ends (sorted set): a node without one may do nothing, and has nobody here
--   :people    connection -> JSON: name, folded name, key, lease of its node, since when, rooms
--   :names     folded nickname -> connection
--   :rooms     room -> when something last happened there (sorted set)
--   :changed   room -> when somebody last came or left
--   :online:R  folded nickname -> nickname, of who is in the room R
--   :lines:R   what was said in R, each as JSON
--   :bytes     room -> how many bytes its lines take
--   :moment    the last moment that was given out

local call = redis.call

local function key(...) return table.concat({ KEYS[1], ... }, ':') end

local function refuse(code, about) return redis.error_reply(code .. ' ' .. (about or '-')) end

local function now()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A moment that was not given out before, later than all that were.
local function moment()
  local at = math.max(now(), (call('GET', key('moment')) or 0) + 1)
  call('SET', key('moment'), at)
  return at
end

local function person(id)
  local json = call('HGET', key('people'), id)
  return json and cjson.decode(json)
end

local function keep(id, me) call('HSET', key('people'), id, cjson.encode(me)) end

-- Who came or left, and who is there since then.
local function notice(room, me)
  return { room, call('HGET', key('changed'), room), me.name, call('HGETALL', key('online', room)) }
end

local function changed(room)
  local at = moment()
  call('HSET', key('changed'), room, at)
  call('ZADD', key('rooms'), at, room)
end

local function arrive(room, me)
  me.rooms[room] = true
  call('HSET', key('online', room), me.folded, me.name)
  changed(room)
end

local function depart(room, me)
  me.rooms[room] = nil
  call('HDEL', key('online', room), me.folded)
  changed(room)
  return notice(room, me)
end

-- Takes the nickname of a connection away, and its places. Adds the departures to `left`.
local function sign_out(id, me, left)
  local rooms = {}
  for room in pairs(me.rooms) do table.insert(rooms, room) end
  table.sort(rooms)
  for _, room in ipairs(rooms) do table.insert(left, depart(room, me)) end
  call('HDEL', key('people'), id)
  call('HDEL', key('names'), me.folded)
end

-- Makes place for one more room: that of the empty one which was quiet for longest.
local function make_place()
  for _, room in ipairs(call('ZRANGE', key('rooms'), 0, -1)) do
    if call('HLEN', key('online', room)) == 0 then
      call('ZREM', key('rooms'), room)
      call('HDEL', key('changed'), room)
      call('DEL', key('lines', room))
      call('HDEL', key('bytes'), room)
      return true
    end
  end
  return false
end

local calls = {}

-- Takes a lease for so many milliseconds, named by the moment.
function calls.begin(_, time)
  local lease = moment()
  call('ZADD', key('leases'), now() + time, lease)
  return lease
end

-- Renews a lease, and removes everybody whose node has lost its own.
function calls.renew(lease, time)
  call('ZADD', key('leases'), now() + time, lease)
  local left = {}
  if call('ZREMRANGEBYSCORE', key('leases'), '-inf', now()) == 0 then return left end
  local people = call('HGETALL', key('people'))
  for i = 1, #people, 2 do
    local me = cjson.decode(people[i + 1])
    if not call('ZSCORE', key('leases'), me.lease) then sign_out(people[i], me, left) end
  end
  return left
end

-- Takes a nickname; or takes it back, with the moment of the first time, and the rooms.
function calls.enter(lease, id, name, folded, secret, since, ...)
  local mine, older, left, came = person(id), call('HGET', key('names'), folded), {}, {}
  if mine and since == '' then return refuse('NAMED', mine.name) end
  local replaced = older and older ~= id and older
  if replaced then
    local holder = person(replaced)
    local later = since ~= '' and holder.since > tonumber(since)
    if secret == '' or holder.key ~= secret or later then return refuse('TAKEN', name) end
    sign_out(replaced, holder, left)
  end
  local before = {}
  if mine then sign_out(id, mine, before) end
  local me = { name = name, folded = folded, key = secret, lease = lease, rooms = {} }
  me.since = tonumber(since) or moment()
  for _, room in ipairs({ ... }) do
    arrive(room, me)
    table.insert(came, notice(room, me))
  end
  for _, departure in ipairs(before) do
    if not me.rooms[departure[1]] then table.insert(left, departure) end
  end
  call('HSET', key('names'), folded, id)
  keep(id, me)
  return { me.since, replaced, left, came }
end

function calls.close(_, id)
  local me, left = person(id), {}
  if me then sign_out(id, me, left) end
  return left
end

function calls.list(_, id)
  if not person(id) then return refuse('NAMELESS') end
  local rooms = {}
  for _, room in ipairs(call('ZRANGE', key('rooms'), 0, -1)) do
    local online = call('HLEN', key('online', room))
    if online > 0 then table.insert(rooms, { room, online }) end
  end
  return rooms
end

function calls.join(_, id, room, rooms_each, members, rooms)
  local me, already = person(id), 0
  if not me then return refuse('NAMELESS') end
  if me.rooms[room] then return false end
  for _ in pairs(me.rooms) do already = already + 1 end
  if already >= tonumber(rooms_each) then return refuse('ROOMSEACH') end
  if call('HLEN', key('online', room)) >= tonumber(members) then return refuse('FULL', room) end
  local full = not call('ZSCORE', key('rooms'), room) and call('ZCARD', key('rooms')) >= tonumber(rooms)
  if full and not make_place() then return refuse('ROOMS') end
  arrive(room, me)
  keep(id, me)
  return notice(room, me)
end

function calls.tell(_, id, folded, name, text)
  local me, recipient = person(id), call('HGET', key('names'), folded)
  if not me then return refuse('NAMELESS') end
  if not recipient then return refuse('UNKNOWN', name) end
  if recipient == id then return refuse('YOURSELF') end
  return { recipient, cjson.encode({ at = moment(), from = me.name, text = text }) }
end

-- What only those can do who are in the room.
local inside = {}

function inside.leave(id, me, room)
  local left = depart(room, me)
  keep(id, me)
  return left
end

function inside.presence(_, me, room) return notice(room, me) end

function inside.say(_, me, room, text, most, most_bytes)
  local at, lines = moment(), key('lines', room)
  local line = cjson.encode({ at = at, from = me.name, text = text })
  local count, bytes = call('RPUSH', lines, line), call('HINCRBY', key('bytes'), room, #line)
  while count > tonumber(most) or bytes > tonumber(most_bytes) and count > 1 do
    count, bytes = count - 1, call('HINCRBY', key('bytes'), room, -#call('LPOP', lines))
  end
  call('ZADD', key('rooms'), at, room)
  return line
end

function inside.history(_, _, room, last)
  return last == '0' and {} or call('LRANGE', key('lines', room), -last, -1)
end

local what, lease, id, room = unpack(ARGV)
if what ~= 'begin' and not call('ZSCORE', key('leases'), lease) then return refuse('LAPSED') end
if calls[what] then return calls[what](unpack(ARGV, 2)) end
local me = person(id)
if not me then return refuse('NAMELESS') end
if not me.rooms[room] then return refuse('ABSENT', room) end
return inside[what](id, me, room, unpack(ARGV, 5))
