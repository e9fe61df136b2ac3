/** Milliseconds for which starts are granted in advance. */
export const horizon = 100;

/** Milliseconds without a message after which a member no longer counts. */
export const goneAfter = 3000;

/**
 * The first half of a pool's Lua script: reads the pool, refills its limits, and applies the member's report. Amounts
 * are vectors: requests, tokens, tokens of prompts, tokens of answers. Times are milliseconds on the server's clock.
 * The script keeps it from going back, and from jumping forward by more than a second beyond the time that passed for
 * the asking member.
 *
 * Stated limits are buckets, corrected by headers. The user's limits hold in every window. Refusals teach a limit too:
 * the second unexpected refusal slows the fleet down, and the next one measures what was let through in between. If as
 * many calls are refused at a much slower pace, they are shed, and the old pace returns.
 */
export const poolLimits = `local HORIZON, GONE, FORGOTTEN = ${horizon}, ${goneAfter}, 60000
local q, raw, time = cjson.decode(ARGV[1]), redis.call('GET', KEYS[1]), redis.call('TIME')
local reading = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local s = raw and cmsgpack.unpack(raw)
local isNew = not s
if isNew then
  -- The member believes in a pool that is lost: it brings what it knows of it.
  if q.era ~= 0 and not q.bring then return '{"again":true}' end
  s = { era = reading, last = reading, shift = 0, b = {}, w = {}, g = {0, 0, 0, 0}, m = {}, hold = 0, walled = false, probe = 0,
    p = {0, 0, 0, 0}, fresh = {true, true, true, true}, a = {false, false, false, false}, v = 0, T = {0, 0, 0, 0},
    r = { N = 0, cutN = 0, cutG = 0, cutAt = 0, dryAt = 0, dryG = 0, dryR = 0, R = 0, recent = 0, share = 0, phase = 0, k = 0, s1 = 0,
      pace = 0, paceG = 0, paceR = 0, paceAt = reading, grown = reading } }
end
local me = s.m[q.id] or { r = 0, t = {0, 0, 0, 0}, d = {0, 0, 0, 0} }
local now = reading + s.shift
if me.at and now > me.at + q.since + 1000 then now = me.at + q.since + 1000 end
now = math.max(now, s.last)
s.shift, s.last, me.at, s.m[q.id] = now - reading, now, now, me
local alive = 0
for id, m in pairs(s.m) do
  if now - m.at > FORGOTTEN then s.m[id] = nil elseif now - m.at <= GONE then alive = alive + 1 end
end

-- Limits --------------------------------------------------------------------------------------------------------------
local function rateOf(b) return b.limit / b.window end
local function refill(b)
  if not b.full then
    b.level = math.min(b.depth, b.level + (now - b.at) * rateOf(b))
  elseif now >= b.full then
    b.full = b.full + (1 + math.floor((now - b.full) / b.window)) * b.window
    b.level = b.depth
  end
  b.at = now
end
for name, b in pairs(s.b) do
  refill(b)
  if b.seen and now - b.seen > math.max(120000, b.window) and b.level >= b.depth then s.b[name] = nil end
end
local function addEntry(w, at, cost)
  local e, n = w.e, #w.e
  if n > 0 and at - e[n][1] <= w.window / 200 then
    e[n][2], e[n][3] = math.max(e[n][2], at), e[n][3] + cost
  else
    e[n + 1] = { at, n > 0 and math.max(e[n][2], at) or at, cost }
  end
  w.sum = w.sum + cost
end
local function correctEntry(w, at, cost)
  for _, e in ipairs(w.e) do
    if e[2] >= at then
      local change = math.max(cost, -e[3])
      e[3], w.sum = e[3] + change, w.sum + change
      return
    end
  end
  if cost > 0 then addEntry(w, at, cost) end
end
for _, limit in ipairs(q.limits) do
  local name, dim, most, window = unpack(limit)
  local w = s.w[name]
  if not w then w = { e = {}, sum = 0 }; s.w[name] = w end
  w.dim, w.limit, w.window = dim, most, window
end
for _, w in pairs(s.w) do
  while w.e[1] and w.e[1][2] + w.window <= now do
    w.sum = w.sum - w.e[1][3]
    table.remove(w.e, 1)
  end
  if #w.e == 0 then w.sum = 0 end
end
local function setRate(rate)
  local r = s.r
  r.rate = rate
  if not rate then s.b.learned = nil return end
  local b = s.b.learned or { dim = 1, window = 60000, level = 0, at = now }
  b.limit, b.depth = rate * 60000, math.max(1, rate * HORIZON)
  b.level = math.min(b.level, b.depth)
  s.b.learned = b
end

-- What the member reports, once ---------------------------------------------------------------------------------------
local function correct(at, mark, d)
  s.r.N = s.r.N + d[1]
  for i = 1, 4 do s.g[i] = s.g[i] + math.max(0, d[i]) end
  for _, b in pairs(s.b) do
    if mark > (b.mark or 0) then b.level = math.min(b.depth, b.level - math.min(d[b.dim], b.limit)) end
  end
  for _, w in pairs(s.w) do
    if d[w.dim] ~= 0 then correctEntry(w, at + 2 * HORIZON, math.min(d[w.dim], w.limit)) end
  end
end
local function state(x)
  local b = s.b[x.name]
  if not b then
    b = { dim = x.dim, level = x.limit, limit = x.limit, window = x.window, depth = x.limit, at = now, mark = -1 }
    s.b[x.name] = b
  end
  local mark = x.era == s.era and x.mark or {0, 0, 0, 0}
  if mark[1] < b.mark then return end
  b.limit, b.window, b.depth, b.mark, b.seen = x.limit, x.window, x.depth, mark[1], now
  b.full = x.full and math.max(now, x.at + x.full) or nil
  b.level = math.min(b.level, b.depth)
  if x.remaining then
    local refilled = b.full and 0 or math.max(0, now - x.at) * rateOf(b)
    b.level = math.min(b.depth, x.remaining + refilled) - math.max(0, s.g[b.dim] - mark[b.dim])
  end
end
local function bring(x)
  for _, y in ipairs(x.b) do
    local name, dim, limit, window, depth, level = unpack(y)
    local b = s.b[name]
    if not b then
      -- The others bring what they have left: until then, nothing.
      b = { dim = dim, limit = limit, window = window, depth = depth, level = level, at = now, mark = 0, seen = now }
      if name == 'learned' then b.seen = nil; s.r.rate = rateOf(b) end
      s.b[name] = b
    elseif b.mark == 0 then
      b.level = math.min(b.depth, b.level + math.max(0, level))
    end
  end
  for _, y in ipairs(x.w) do
    local name, share, entries = y[1], y[2], y[3]
    local w = s.w[name]
    if w then
      if not w.owed then
        w.owed = now
        addEntry(w, now, w.limit - share)
      else
        correctEntry(w, w.owed, -share)
      end
      for _, e in ipairs(entries) do correctEntry(w, now - e[1], e[2]) end
    end
  end
end
local function measured(r)
  local took, served = now - r.dryAt, r.N - r.dryG - (r.R - r.dryR)
  return r.dryAt > 0 and served >= 15 and took >= 2000 and served / took
end
local function cut(r, share)
  local rate, since = measured(r), now - r.paceAt
  if rate then
    setRate(math.min(r.rate or math.huge, 0.98 * rate))
    r.phase, r.measured = 2, true
  else
    -- What is let through of the newest starts.
    local newest = (r.N - r.paceG - (r.R - r.paceR)) / math.max(500, since)
    local pace = math.max(newest, since >= 500 and r.pace / 2 or r.pace)
    setRate(math.max(1 / 1000, 0.7 * math.min(r.rate or pace, pace)))
    r.phase, r.measured = 1, false
  end
  r.s1, r.dryAt, r.dryG, r.dryR, r.cutG, r.cutN, r.cutAt, r.k, r.grownG = share, now, r.N, r.R, s.g[1], r.N, now, 0, nil
end
local function refused(marks)
  local r, fresh = s.r, 0
  for _, mark in ipairs(marks) do
    r.R = r.R + 1
    -- Of an episode only the first one counts: the others had started before.
    if mark > r.cutG then
      fresh = fresh + 1
      r.recent = r.recent + (1 - r.recent) / 20
      if r.phase == 0 and not r.rate then r.share = r.share + 0.002 * (1 - r.share) end
    end
  end
  if fresh == 0 then return end
  r.k, r.grownK = r.k + fresh, r.grownG and r.grownK + fresh
  local function isMore(count, starts, least)
    return count >= least and count > r.share * starts + 3 * math.sqrt(r.share * starts)
  end
  local n = math.max(r.k, r.N - r.cutN)
  -- Where a share is refused for ever, the newest starts come to this.
  local usual = r.share / (1 + r.share)
  local surprise = math.max(0.09, usual + 3 * math.sqrt(usual * (1 - usual) / 39) + 0.02)
  -- Of a pace that has grown, or is as fast as was measured, a few refusals more than usual are enough.
  local isTooFast = r.rate and (isMore(r.k, n, 3) or (r.grownG and isMore(r.grownK, r.N - r.grownG, 2)))
  if r.phase == 0 and (r.recent > surprise or isTooFast) then
    r.prev, r.share = r.rate, math.max(0, r.share - 0.04 * r.recent)
    cut(r, r.recent > surprise and r.recent or r.k / n)
  elseif r.phase == 1 and n >= 10 and r.k >= 3 and (measured(r) or r.k / n >= 0.5) then
    cut(r, r.k / n)
  elseif r.phase == 2 and n >= 30 and r.k >= 4 then
    if r.k / n < 0.6 * r.s1 then
      cut(r, r.k / n)
    else
      r.phase, r.share, r.recent, r.k, r.cutG, r.cutN = 0, r.k / n, r.k / n, 0, s.g[1], r.N
      setRate(r.prev)
    end
  end
end
local x = q.report
if x and x.n > me.r then
  me.r = x.n
  local brings = q.bring and q.era ~= s.era and (q.era ~= 0 or isNew)
  for _, c in ipairs(x.c) do correct(c[1], c[2], c[3]) end
  -- What it spent by itself is counted in what it brings.
  if brings then bring(q.bring) else correct(now, s.g[1] + 1, x.spent) end
  for _, y in ipairs(x.stated) do state(y) end
  refused(x.refused)
  if x.passed and now >= s.hold then s.walled = false end
  if x.hold > 0 then s.hold, s.walled, s.probe = math.max(s.hold, now + x.hold), true, 0 end
end
local r, g = s.r, s.g
if r.phase > 0 and r.N - r.cutN >= (r.phase == 1 and r.k <= 1 and 25 or math.max(60, 5 / r.s1)) then r.phase = 0 end
if now - r.paceAt >= 1000 then
  r.pace, r.paceG, r.paceR, r.paceAt = (r.N - r.paceG - (r.R - r.paceR)) / (now - r.paceAt), r.N, r.R, now
end

`;
