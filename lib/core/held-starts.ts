/** A queue that starts calls. */
interface Queue {
  drain(): void;
}

let depth = 0;
const dueQueues = new Set<Queue>();

/**
 * Runs code in which subscribers may leave. No queue starts a call before the code has ended: a call must not start in
 * the place of one that was given up, for a subscriber who is about to leave as well.
 */
export function holdStarts(run: () => void): void {
  depth++;
  try {
    run();
  } finally {
    if (--depth === 0) {
      for (const queue of dueQueues) {
        dueQueues.delete(queue);
        queue.drain();
      }
    }
  }
}

/** Whether starts are held at the moment; if so, the queue is drained as soon as they are not. */
export function areStartsHeld(queue: Queue): boolean {
  if (depth > 0) {
    dueQueues.add(queue);
  }
  return depth > 0;
}
