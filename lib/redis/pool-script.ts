import { poolLimits } from './pool-limits';
import { RedisScript } from './redis-client';

/**
 * The second half of a pool's script: grants starts. They are shared by stride among priorities, and in turn among
 * members. The script schedules the starts of all members with known demand, and grants those of the asking member. The
 * turns of other members are kept for them while they may still ask.
 */
const poolOrder = `-- Who starts next -----------------------------------------------------------------------------------------------------
local hold, want = s.hold, q.want
-- In a time of quiet a limit fills up, so that nothing is measured over it.
if now - (r.busyAt or now) > 2000 then r.dryAt = 0 end
if now - (r.busyAt or now) > 600000 then setRate(nil) end
if want > 0 then r.busyAt = now end
if s.walled and now >= s.hold then
  -- One call finds out whether the wall still stands.
  if now - s.probe < 1000 then hold = s.probe + 1000 else want = math.min(1, want) end
end
local strides, live = {15, 10, 7, 3}, {}
for i = 1, 4 do
  if q.d[i] > 0 and me.d[i] == 0 then me.t[i] = math.max(me.t[i], s.T[i]) end
end
me.d, me.want, me.c, me.till = q.d, want, q.c, now + HORIZON
for id, m in pairs(s.m) do
  if m.want and m.want > 0 and now <= m.till then
    local copy = { id = id, want = m.want, c = m.c, d = {unpack(m.d)}, t = {unpack(m.t)} }
    live[#live + 1] = copy
  end
end
local cost = {0, 0, 0, 0}
for _, m in ipairs(live) do
  for i = 1, 4 do cost[i] = cost[i] + m.want * m.c[i] end
end
local p, fresh, v = {unpack(s.p)}, {}, s.v
for i = 1, 4 do
  local active = false
  for _, m in ipairs(live) do active = active or m.d[i] > 0 end
  if active and not s.a[i] then s.fresh[i] = s.p[i] <= s.v + 15 end
  s.a[i], fresh[i] = active, s.fresh[i]
end
local function next()
  local rank, position
  for i = 4, 1, -1 do
    local waits = false
    for _, m in ipairs(live) do waits = waits or (m.want > 0 and m.d[i] > 0) end
    local at = fresh[i] and -1 or p[i]
    if waits and (not rank or at < position) then rank, position = i, at end
  end
  if not rank then return end
  local first
  for _, m in ipairs(live) do
    if m.want > 0 and m.d[rank] > 0 then
      if not first or m.t[rank] < first.t[rank] or (m.t[rank] == first.t[rank] and m.id < first.id) then first = m end
    end
  end
  return rank, first
end
local function advance(passes, news, virtual, rank)
  if news[rank] then
    news[rank] = false
    passes[rank] = math.max(virtual, passes[rank])
  else
    virtual = passes[rank]
  end
  passes[rank] = passes[rank] + strides[rank]
  return virtual
end
local gate = s.hold > now and 'hold' or ''
local function room(c)
  local opens = now
  local function later(at, name) if at > opens then opens, gate = at, name end end
  for name, b in pairs(s.b) do
    local spend = math.min(c[b.dim], b.depth)
    local reserve = (b.full or not b.seen) and 0 or math.min(500 * rateOf(b), b.depth - spend)
    local missing = spend + reserve + (b.sim or 0) - b.level
    if c[b.dim] > 0 and missing > 1e-9 * b.depth then later(b.full or now + missing / rateOf(b), name) end
  end
  for name, w in pairs(s.w) do
    local missing = w.sum + (w.sim or 0) + math.min(c[w.dim], w.limit) - w.limit
    if missing > 1e-9 * w.limit and c[w.dim] > 0 then
      local i, freed = w.i or 0, w.freed or 0
      while missing - freed > 1e-9 * w.limit and w.e[i + 1] do
        i = i + 1
        freed = freed + w.e[i][3]
      end
      w.i, w.freed = i, freed
      -- What is granted now leaves the window last.
      if missing - freed > 1e-9 * w.limit then later(now + w.window, name) else later(w.e[i][2] + w.window, name) end
    end
  end
  return opens
end
local function scarce()
  for _, b in pairs(s.b) do
    if cost[b.dim] + (b.seen and 500 * rateOf(b) or 0) > b.level then return true end
  end
  for _, w in pairs(s.w) do
    if cost[w.dim] + w.sum > w.limit then return true end
  end
  return hold > now
end
local function take(at)
  local c = me.c
  for i = 1, 4 do g[i] = g[i] + c[i] end
  for _, b in pairs(s.b) do b.level = b.level - math.min(c[b.dim], b.limit) end
  for _, w in pairs(s.w) do
    if c[w.dim] > 0 then addEntry(w, at + 2 * HORIZON, math.min(c[w.dim], w.limit)) end
  end
  r.N, r.recent = r.N + 1, r.recent * 0.95
  if r.phase == 0 and not r.grownG then r.share = r.share * 0.998 end
end
local grants, mark, ask = {}, {unpack(g)}, 0
if want > 0 and not scarce() then
  for i = 1, want do
    grants[i] = 0
    take(now)
  end
  me.want = 0
elseif want > 0 then
  local pending, slot, steps = want, math.max(now, hold), 0
  ask = HORIZON
  while pending > 0 and steps < 1000 do
    steps = steps + 1
    local rank, m = next()
    if not rank then break end
    slot = math.max(slot, room(m.c))
    local mine = m.id == q.id
    if slot > now + HORIZON and (mine or #grants > 0) then
      ask = slot - now
      break
    end
    v = advance(p, fresh, v, rank)
    m.t[rank], m.d[rank], m.want = m.t[rank] + 1, m.d[rank] - 1, m.want - 1
    for _, b in pairs(s.b) do b.sim = (b.sim or 0) + math.min(m.c[b.dim], b.limit) end
    for _, w in pairs(s.w) do w.sim = (w.sim or 0) + math.min(m.c[w.dim], w.limit) end
    if mine then
      pending = pending - 1
      grants[#grants + 1] = slot - now
      s.v = advance(s.p, s.fresh, s.v, rank)
      s.T[rank] = me.t[rank]
      me.t[rank], me.d[rank], me.want = me.t[rank] + 1, me.d[rank] - 1, me.want - 1
    end
  end
  for _, b in pairs(s.b) do b.sim = nil end
  for _, w in pairs(s.w) do w.sim, w.i, w.freed = nil, nil, nil end
  for i = 1, #grants do take(now + grants[i]) end
  if pending == 0 then ask = 0 else me.till = now + ask + 2 * HORIZON end
  if gate == 'learned' and pending > 0 and r.rate and r.phase == 0 then
    -- It grows while it holds anybody; near a limit that was measured slowly, and faster and faster beyond.
    local calm = now - r.cutAt - (r.measured and 30000 or 3000)
    if calm > 0 then
      if not r.grownG then r.grownG, r.grownK = r.N, 0 end
      local growth = r.measured and math.min(0.1, 0.003 * 2 ^ (calm / 30000)) or 0.05
      setRate(r.rate * (1 + growth) ^ (math.min(1000, now - r.grown) / 1000))
    end
  end
end
r.grown = now
if #grants > 0 and s.walled and now >= s.hold then s.probe = now end

-- What the member is told ---------------------------------------------------------------------------------------------
local told = { now = now, era = s.era, grants = grants, mark = mark, ask = ask, gate = gate, members = alive,
  hold = math.max(0, hold - now), b = {}, w = {} }
for name, b in pairs(s.b) do
  told.b[#told.b + 1] = { name, b.dim, b.limit, b.window, b.depth, b.level, b.full and b.full - now or -1 }
end
for name, w in pairs(s.w) do
  local groups, size = {}, math.ceil(#w.e / 8)
  for i, e in ipairs(w.e) do
    local group = groups[math.ceil(i / size)] or { 0, 0 }
    group[1], group[2] = e[2] - now, group[2] + e[3]
    groups[math.ceil(i / size)] = group
  end
  told.w[#told.w + 1] = { name, groups }
end
redis.call('SET', KEYS[1], cmsgpack.pack(s), 'PX', 86400000)
return cjson.encode(told)
`;

/** Applies the report of a member and grants it starts. Key: the pool. */
export const poolScript = new RedisScript(poolLimits + poolOrder);
