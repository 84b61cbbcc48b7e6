"""What Redis does in one step for us: each script is one atomic operation.

Time is the server's own, so that instances whose clocks differ count alike, unless the first argument gives it (tests do);
all times are in milliseconds. Every key but one ends, so nothing stays that nobody asks for. What a script records it
records in whole: where memory is short the first writing command fails, and that is one that records. What is over is
forgotten after that, or all the same.
"""

from __future__ import annotations

import hashlib
from typing import Final

from kas.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Script:
    """``digest`` is what the server knows it by, once it has seen it."""

    text: str
    digest: str


def _script(body: str) -> Script:
    text = _NOW + body
    return Script(text, hashlib.sha1(text.encode("ascii"), usedforsecurity=False).hexdigest())  # Redis names scripts so


_NOW: Final = """
local now = tonumber(ARGV[1])
if now < 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local function text(number) return string.format('%.0f', number) end
"""

# What becomes of a claim, by the number that the script answers.
OUTCOMES: Final = ("recorded", "replayed", "share", "full", "forgotten")

# KEYS: the era, all claims, those of each holder, and of key access objects where they count; sorted by when they end.
# ARGV: time, life, capacity, share, what key access objects may hold (-1: they do not count), the era that is
# expected or nothing, digests.
# Gives the index of the outcome in `OUTCOMES`, and in how long the oldest of all claims ends: -1 where there is none, and 0
# where that is not asked.
CLAIM: Final = _script("""
local life, capacity, share, most_of_kaos = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if ARGV[6] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[6] then return {4, 0} end
local number, since = #ARGV - 6, text(now)
for i = 7, #ARGV do
  local until_then = redis.call('ZSCORE', KEYS[2], ARGV[i])
  if until_then and tonumber(until_then) >= now then return {1, 0} end
end
local function held(key) return redis.call('ZCOUNT', key, since, '+inf') + number end
local function wait()
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[2], since, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  return oldest[2] and tonumber(oldest[2]) - now or -1
end
local holders = most_of_kaos < 0 and #KEYS or #KEYS - 1
for i = 3, holders do
  if held(KEYS[i]) > share then return {2, wait()} end
end
if held(KEYS[2]) > capacity then return {3, wait()} end
if most_of_kaos >= 0 and held(KEYS[#KEYS]) > most_of_kaos then return {3, wait()} end
local scored = {}
for i = 7, #ARGV do
  scored[#scored + 1] = text(now + life)
  scored[#scored + 1] = ARGV[i]
end
local answer = {0, 0}
-- Only the first writing command of a script is refused where memory is short.
local first = redis.pcall('ZADD', KEYS[2], scored[1], scored[2])
if type(first) == 'table' and first.err then
  answer = first
else
  for i = 2, #KEYS do
    for j = 1, #scored, 4000 do redis.call('ZADD', KEYS[i], unpack(scored, j, math.min(j + 3999, #scored))) end
    redis.call('PEXPIRE', KEYS[i], life + 1000)
  end
end
for i = 2, #KEYS do redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', '(' .. since) end
return answer
""")

# KEYS as those of CLAIM, without the first. ARGV: time, digests.
RELEASE: Final = _script("""
for _, key in ipairs(KEYS) do
  for i = 2, #ARGV do redis.call('ZREM', key, ARGV[i]) end
end
return 0
""")

# KEYS: the era. ARGV: time, what it is where there is none.
ERA: Final = _script("""
redis.call('SET', KEYS[1], ARGV[2], 'NX')
return redis.call('GET', KEYS[1])
""")

# KEYS: all claims, one that is written. ARGV: time. Gives how many claims there are.
CHECK: Final = _script("""
redis.call('SET', KEYS[2], '', 'PX', 10000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. text(now))
return redis.call('ZCARD', KEYS[1])
""")

# KEYS: the hits of one key, the hits of all keys of the window; oldest first. ARGV: time, window, quota, capacity.
# Gives how many places there were, of which one is taken, and in how long the next is free.
TAKE: Final = _script("""
local window, quota, capacity = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local latest = tonumber(redis.call('LINDEX', KEYS[2], -1))
if latest and latest > now then now = latest end
local function forget(key)
  local oldest = tonumber(redis.call('LINDEX', key, 0))
  while oldest and oldest + window <= now do
    redis.call('LPOP', key)
    oldest = tonumber(redis.call('LINDEX', key, 0))
  end
  return oldest, redis.call('LLEN', key)
end
local own_oldest, own = forget(KEYS[1])
local all_oldest, all = forget(KEYS[2])
local free = math.min(quota - own, capacity - all)
if free > 0 then
  for _, key in ipairs(KEYS) do
    redis.call('RPUSH', key, text(now))
    redis.call('PEXPIRE', key, window + 1000)
  end
  own_oldest, own, all_oldest, all = own_oldest or now, own + 1, all_oldest or now, all + 1
end
local first = own_oldest
if not own_oldest or (own < quota and all >= capacity) then first = all_oldest end
return {math.max(0, free), first + window - now}
""")

# KEYS: names. ARGV: time, life, what is kept under each.
KEEP: Final = _script("""
for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 2], 'PX', ARGV[2]) end
return #KEYS
""")
