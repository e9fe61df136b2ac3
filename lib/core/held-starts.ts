interface Queue {
  drain(): void;
}

let depth = 0;
const dueQueues = new Set<Queue>();

/**
 * Runs code in which subscribers may leave. No queue starts a call before the code has ended. Otherwise a call could
 * take the place of one that was given up, for a subscriber that is about to leave too.
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

/** Whether starts are held now. If they are, the queue is drained when the hold ends. */
export function areStartsHeld(queue: Queue): boolean {
  if (depth > 0) {
    dueQueues.add(queue);
  }
  return depth > 0;
}
