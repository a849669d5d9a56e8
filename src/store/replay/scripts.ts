import { hash } from "node:crypto";
import { nonceMemorySeconds } from "./replay-store.ts";

/** A nonce is looked for on its page and the two before, so those two cover what must be remembered. */
const pageSeconds = nonceMemorySeconds / 2;
/** After three pages' time without a turn everything is old enough to be forgotten. */
const oldSeconds = 3 * pageSeconds;
/** The margin keeps what has expired apart from what was lost. */
const expirySeconds = oldSeconds + 60;
/** What a digest may end with: its last character stands for 4 bits. */
const shards = "AEIMQUYcgkosw048";

/**
 * KEYS: the birth, the page, then the organizations' epochs and the rate limits' buckets.
 * ARGV: how many claims, and the digest of each. Then for each list of limits: how many limits and how
 * many claims it has, for each limit the number of its key, the microseconds between two calls, those by
 * which a call may be early, and the milliseconds to keep it, and then the claims' numbers.
 * Answers what the keys held, with the birth as it is now, and for each claim 0 when its nonce was used,
 * 1 when it is admitted, or 1 more than the milliseconds until its limits have room.
 *
 * Nonces are members of sets: a page for those of each `pageSeconds`, in 16 shards, so that nothing
 * large is freed at once. There are three pages, and a turn clears the oldest. The page's key tells them
 * from the newest to the oldest, when they were turned, and when they were looked at last. A clock that
 * is set back turns one page, and so does one that is set ahead by less than the expiry.
 *
 * From its first turn on a store has all shards, with an empty member each. They are looked at once a
 * second: where the birth, the page or a shard is not there, nonces were lost, and the store is born now.
 */
export const admitScript = `
local call, sub = redis.call, string.sub
local time = call('TIME')
local answer = call('MGET', unpack(KEYS))
local newest, middle, oldest, turned, looked =
  string.match(answer[2] or '', '^([123])([123])([123]) (%d+) (%d+)$')

if looked ~= time[1] or not answer[1] then
  local names = {}
  for page = 1, 3 do
    for shard in string.gmatch('${shards}', '.') do names[#names + 1] = KEYS[2] .. page .. shard end
  end
  local age = time[1] - (turned or 0)
  local lost = not answer[1] or not newest
    or age < ${oldSeconds} and call('EXISTS', unpack(names)) < #names
  if lost then
    answer[1] = time[1]
    call('SET', KEYS[1], time[1])
  end
  if lost or math.abs(age) > ${pageSeconds} then
    newest, middle, oldest, turned = oldest or '1', newest or '2', middle or '3', time[1]
    -- Before all else, so that a turn makes room where memory is full.
    for shard in string.gmatch('${shards}', '.') do call('UNLINK', KEYS[2] .. newest .. shard) end
    for _, name in ipairs(names) do
      call('SADD', name, '')
      call('EXPIRE', name, ${expirySeconds})
    end
  end
  call('SET', KEYS[2], newest .. middle .. oldest .. ' ' .. turned .. ' ' .. time[1])
end

newest, middle, oldest = KEYS[2] .. newest, KEYS[2] .. middle, KEYS[2] .. oldest
local digestsEnd, verdicts = ARGV[1] + 1, #KEYS
for i = 2, digestsEnd do
  local digest = ARGV[i]
  local shard = sub(digest, -1)
  local used = call('SISMEMBER', middle .. shard, digest) == 1
    or call('SISMEMBER', oldest .. shard, digest) == 1
  answer[verdicts + i - 1] = used and 0 or call('SADD', newest .. shard, digest)
end
if #ARGV == digestsEnd then return answer end

-- A bucket is known by when it is full again, in microseconds (GCRA).
local now = time[1] * 1000000 + time[2]
local fullAt, changed = {}, {}
local at = digestsEnd + 1
while at < #ARGV do
  local claims = at + 2 + 4 * ARGV[at]
  local past = claims + ARGV[at + 1]
  for claim = claims, past - 1 do
    local verdict, wait = verdicts + ARGV[claim], 0
    if answer[verdict] == 1 then
      for i = at + 2, claims - 1, 4 do
        local key, early = ARGV[i], ARGV[i + 2]
        local full = fullAt[key] or tonumber(answer[tonumber(key)] or 0)
        local empty = now + early + ARGV[i + 1]
        -- Never emptier than empty, as it could seem once the limit or the clock was changed.
        if full > empty then full, changed[key] = empty, ARGV[i + 3] end
        if full < now then full = now end
        fullAt[key] = full
        if full - now - early > wait then wait = full - now - early end
      end
      if wait > 0 then
        answer[verdict] = 1 + math.ceil(wait / 1000)
      else
        for i = at + 2, claims - 1, 4 do
          fullAt[ARGV[i]] = fullAt[ARGV[i]] + ARGV[i + 1]
          changed[ARGV[i]] = ARGV[i + 3]
        end
      end
    end
  end
  at = past
end
for key, milliseconds in pairs(changed) do
  call('SET', KEYS[tonumber(key)], string.format('%.0f', fullAt[key]), 'PX', milliseconds)
end
return answer`;

export const admitSha = hash("sha1", admitScript);

/**
 * Run before the first claim on a server process. KEYS: the birth, the server and the page. ARGV: "1"
 * where no nonce was ever kept. A process that is not the one that the store has known, such as one that
 * was restarted from a snapshot or a replica that took over, may lack the newest nonces: the store is
 * born again with it. A new store's pages were turned long ago, so that the first claim turns them.
 */
export const meetScript = `
local process = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('GET', KEYS[2]) == process then return 0 end
local birth = ARGV[1] == '1' and '0' or redis.call('TIME')[1]
redis.call('SET', KEYS[1], birth)
redis.call('SET', KEYS[2], process)
redis.call('SET', KEYS[3], '123 0 0', 'NX')
return 1`;

/** Raises KEYS[1] to ARGV[1]; never lowers it. */
export const raiseScript = `
local current = tonumber(redis.call('GET', KEYS[1]) or '-1')
if tonumber(ARGV[1]) > current then redis.call('SET', KEYS[1], ARGV[1]) end
return 1`;
