import type { LivePoint, LiveState } from '../live-state';

/** How the page gets its figures. */
export type Link = 'live' | 'polling' | 'lost' | 'paused';

/** The last state, and all points. */
export interface Known {
  readonly state: LiveState;
  readonly points: readonly LivePoint[];
}

/** The path that the page was mounted under. */
export const base = location.pathname.replace(/\/?$/, '/');

const pollEvery = 2000;
/** Milliseconds until a failed stream is tried again. */
const retryStream = 30_000;
const mostPoints = 600;

/**
 * Keeps the page up to date: by one stream while the tab is visible, by polling if the stream fails, and not at all
 * while the tab is hidden, because a browser has six connections to a server for all tabs.
 */
export function connect(told: (known: Known | undefined, link: Link) => void): {
  setPaused(isPaused: boolean): void;
} {
  let points: LivePoint[] = [];
  let known: Known | undefined;
  let stream: EventSource | undefined;
  let timer: number | undefined;
  let failedAt = -Infinity;
  let isPaused = false;

  function take(state: LiveState, link: Link): void {
    const last = points.at(-1)?.at ?? -Infinity;
    points = [...points, ...state.points.filter(({ at }) => at > last)].slice(-mostPoints);
    known = { state, points };
    told(known, link);
  }

  function stop(): void {
    stream?.close();
    stream = undefined;
    window.clearTimeout(timer);
  }

  function start(): void {
    stop();
    if (document.hidden || isPaused) {
      return;
    }
    if (performance.now() - failedAt < retryStream) {
      void poll();
      return;
    }
    stream = new EventSource(`${base}events`);
    stream.onmessage = ({ data }: MessageEvent<string>) => take(JSON.parse(data) as LiveState, 'live');
    stream.onerror = () => {
      failedAt = performance.now();
      start();
    };
  }

  async function poll(): Promise<void> {
    try {
      const since = points.at(-1)?.at ?? '-Infinity';
      const response = await fetch(`${base}state.json?since=${since}`);
      if (!response.ok) {
        throw new Error(response.statusText);
      }
      take((await response.json()) as LiveState, 'polling');
    } catch {
      told(known, 'lost');
    }
    timer = window.setTimeout(start, pollEvery);
  }

  document.addEventListener('visibilitychange', start);
  start();
  return {
    setPaused(paused) {
      isPaused = paused;
      if (paused) {
        told(known, 'paused');
      }
      start();
    },
  };
}
