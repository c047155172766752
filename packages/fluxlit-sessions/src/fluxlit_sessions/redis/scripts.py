"""The Lua half of the Redis backend: each script is one atomic step.

They follow transitions.py, and read and write the layout of record.py: HEAD below is the
same structure as ``record.HEAD``. Every script that writes, writes also when it finds its
own earlier write (the same bytes again), so that a WAIT behind it covers that write.

Where maxmemory is reached, Redis refuses the first write of a script if it is one that may
need memory, and none after it, so that no script ends halfway. `rewrite` and `admit` begin
with a write that needs none: a full Redis goes on counting uses, taking values, rotating,
and saving what does not grow.

ARGV[1] is the time in milliseconds, or empty for the clock of the Redis server. The expiry
is stored twice: in the header, which rules, and as the time to live of the key, which
removes it. All keys that a script touches are in KEYS, and have one hash tag.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

PRELUDE = """
local HEAD = '>BI8I8I8I8I8c64c32I2'
local NO_TAG = string.rep('\\0', 32)
local function now()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function text(number) return string.format('%.0f', number) end
-- The clock of a test and the server's run apart: keys then outlive their headers by a day, and the headers rule.
local function ttl(ends, time) return ends - time + (ARGV[1] == '' and 0 or 86400000) end
local function pack(h)
  return struct.pack(HEAD, 1, h.version, h.created, h.touched, h.expires, h.absolute, h.history, h.tag, h.subject)
end
local function alive(key, time)
  local raw = redis.call('GETRANGE', key, 0, 138)
  if #raw < 139 then return nil end
  local h, format = {}, nil
  format, h.version, h.created, h.touched, h.expires, h.absolute, h.history, h.tag, h.subject = struct.unpack(HEAD, raw)
  if h.expires <= time then return nil end
  return h
end
local function rewrite(key, h, time)
  redis.call('PEXPIRE', key, text(ttl(h.expires, time)))
  redis.call('SETRANGE', key, 0, pack(h))
end
local function admit(key, vital) if vital then redis.call('UNLINK', key) end end
local function use(h, time, idle)
  h.touched = time
  h.expires = math.min(time + idle, h.absolute)
end
local function mark(h, token)
  h.version = h.version + 1
  h.history = string.sub(token .. h.history, 1, 64)
end
local function wrote(h, expected, token)
  local behind = h.version - expected - 1
  return behind >= 0 and behind < 8 and string.sub(h.history, behind * 8 + 1, behind * 8 + 8) == token
end
local function index(key, h, member, time)
  if h.tag == NO_TAG then return end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(time))
  redis.call('ZADD', key, text(h.absolute), member)
  local life = ttl(h.absolute, time)
  if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, text(life)) end
end
"""


@dataclass(frozen=True)
class Script:
    """Lua source and the name by which Redis knows it."""

    source: str
    sha: str


def _script(body: str) -> Script:
    source = PRELUDE + body
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


# KEYS record, index; ARGV time, idle, absolute, token, tag, digest, subject, envelope, vital -> header, version found
CREATE = _script("""
local time, token = now(), ARGV[4]
local h = alive(KEYS[1], time)
if h then
  if not wrote(h, 0, token) then return h.version end
  rewrite(KEYS[1], h, time)
  h.version = 1
  return pack(h)
end
h = {version = 1, created = time, touched = time, absolute = time + tonumber(ARGV[3]), tag = ARGV[5],
     history = token .. string.rep('\\0', 56), subject = #ARGV[7]}
use(h, time, tonumber(ARGV[2]))
admit(KEYS[1], ARGV[9] == '1')
redis.call('SET', KEYS[1], pack(h) .. ARGV[7] .. ARGV[8], 'PX', text(ttl(h.expires, time)))
index(KEYS[2], h, ARGV[6], time)
return pack(h)
""")

# KEYS record; ARGV time, idle, throttle, 'all' or 'head' -> record or header, nil
TOUCH = _script("""
local time = now()
local h = alive(KEYS[1], time)
if not h then return false end
if time - h.touched >= tonumber(ARGV[3]) then
  use(h, time, tonumber(ARGV[2]))
  rewrite(KEYS[1], h, time)
end
if ARGV[4] == 'all' then return redis.call('GET', KEYS[1]) end
return pack(h)
""")

# KEYS record; ARGV time, idle, expected, token, envelope, vital -> header, version found, nil
REPLACE = _script("""
local time, expected, token = now(), tonumber(ARGV[3]), ARGV[4]
local h = alive(KEYS[1], time)
if not h then return false end
if h.version == expected then
  local subject = redis.call('GETRANGE', KEYS[1], 139, 138 + h.subject)
  mark(h, token)
  use(h, time, tonumber(ARGV[2]))
  local record = pack(h) .. subject .. ARGV[5]
  admit(KEYS[1], ARGV[6] == '1' or #record <= redis.call('STRLEN', KEYS[1]))
  redis.call('SET', KEYS[1], record, 'PX', text(ttl(h.expires, time)))
elseif wrote(h, expected, token) then
  rewrite(KEYS[1], h, time)
  h.version = expected + 1
else
  return h.version
end
return pack(h)
""")

# KEYS old, new, old index, new index; ARGV time, idle, expected, token, tag, old digest, digest, subject, envelope
# -> header, version found, nil
MOVE = _script("""
local time, expected, token = now(), tonumber(ARGV[3]), ARGV[4]
local h = alive(KEYS[1], time)
if not h then
  h = alive(KEYS[2], time)
  if not h then return false end
  rewrite(KEYS[2], h, time)
  return pack(h)
end
if h.version ~= expected then return h.version end
mark(h, token)
use(h, time, tonumber(ARGV[2]))
if h.tag ~= NO_TAG then redis.call('ZREM', KEYS[3], ARGV[6]) end
h.tag, h.subject = ARGV[5], #ARGV[8]
admit(KEYS[1], true)
redis.call('SET', KEYS[2], pack(h) .. ARGV[8] .. ARGV[9], 'PX', text(ttl(h.expires, time)))
index(KEYS[4], h, ARGV[7], time)
return pack(h)
""")

# KEYS record; ARGV time, token, grace -> record, version found, nil
TAKE = _script("""
local time, token = now(), ARGV[2]
local h = alive(KEYS[1], time)
if not h then return false end
if h.version == 1 then
  mark(h, token)
  h.expires = math.min(h.expires, time + tonumber(ARGV[3]))
elseif not wrote(h, 1, token) then
  return h.version
end
rewrite(KEYS[1], h, time)
return redis.call('GET', KEYS[1])
""")
