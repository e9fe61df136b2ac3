import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { ProcessSettings, Told, Work } from './fleet-process';

const program = join(__dirname, 'fleet-process.ts');

/** A process of a fleet, and all that it has told. */
export class FleetProcess {
  readonly starts: { readonly request: string; readonly at: number }[] = [];
  readonly events: string[] = [];
  readonly answers: Extract<Told, { type: 'answer' }>[] = [];
  readonly #child: ChildProcess;
  #isReady = false;
  #done: Extract<Told, { type: 'done' }> | undefined;

  constructor(settings: ProcessSettings) {
    this.#child = fork(program, [JSON.stringify(settings)], { execArgv: ['--import', 'tsx'] });
    this.#child.on('message', (told: Told) => {
      switch (told.type) {
        case 'ready':
          this.#isReady = true;
          break;
        case 'start':
          this.starts.push(told);
          break;
        case 'event':
          this.events.push(told.name);
          break;
        case 'answer':
          this.answers.push(told);
          break;
        case 'done':
          this.#done = told;
      }
    });
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get done(): Extract<Told, { type: 'done' }> | undefined {
    return this.#done;
  }

  work(work: Work): void {
    this.#done = undefined;
    this.#child.send(work);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child.kill(signal);
  }
}

export async function until(condition: () => boolean, within = 120_000): Promise<void> {
  const end = Date.now() + within;
  while (!condition()) {
    if (Date.now() > end) {
      throw new Error('It did not come to pass in time.');
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export async function startProcesses(count: number, settings: ProcessSettings): Promise<FleetProcess[]> {
  const processes = Array.from({ length: count }, () => new FleetProcess(settings));
  await until(() => processes.every(({ isReady }) => isReady));
  return processes;
}

/** The most starts of a fleet in a window. */
export function mostIn(window: number, times: readonly number[]): number {
  const sorted = [...times].sort((one, other) => one - other);
  let first = 0;
  return sorted.reduce((most, at, index) => {
    while (sorted[first]! <= at - window) first++;
    return Math.max(most, index + 1 - first);
  }, 0);
}
