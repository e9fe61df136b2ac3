export { PortTakenError, serveStats, type ServeStatsOptions, type StatsServer } from './live/serve-stats';
export { statsHandler, type StatsHandler, type StatsHandlerOptions } from './live/stats-handler';
export type { LiveError, LiveLane, LivePoint, LiveState, Verdict } from './live/live-state';
