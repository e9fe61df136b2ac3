/** Counts the page's timers; the first import of the page, so that it stands before everything that sets one. */
type Task = (...given: unknown[]) => void;
type SetTimer = (task: Task, delay?: number, ...given: unknown[]) => number;
type ClearTimer = (id?: number) => void;

interface BrowserTimers {
  setTimeout: SetTimer;
  setInterval: SetTimer;
  clearTimeout: ClearTimer;
  clearInterval: ClearTimer;
}

const browser = globalThis as unknown as BrowserTimers;
const { setTimeout, setInterval, clearTimeout, clearInterval } = browser;
const live = new Set<number>();
let made = 0;

browser.setTimeout = (task, delay, ...given) => {
  const id = setTimeout(
    (...passed) => {
      live.delete(id);
      task(...passed);
    },
    delay,
    ...given,
  );
  made++;
  live.add(id);
  return id;
};

browser.setInterval = (task, delay, ...given) => {
  const id = setInterval(task, delay, ...given);
  made++;
  live.add(id);
  return id;
};

browser.clearTimeout = (id) => {
  live.delete(id!);
  clearTimeout(id);
};

browser.clearInterval = (id) => {
  live.delete(id!);
  clearInterval(id);
};

/** Timers that were set so far, and those that are still to fire. */
export function timerCount(): { readonly made: number; readonly left: number } {
  return { made, left: live.size };
}
