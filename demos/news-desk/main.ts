import { tellEnd } from '../shared/demo-end';
import { DemoError } from '../shared/demo-error';
import { help, readArguments, type Arguments } from './arguments';

/** Exit codes of programs that a signal ended. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

const stop = new AbortController();
let stoppedBy: keyof typeof exitCodes | undefined;

for (const signal of Object.keys(exitCodes) as (keyof typeof exitCodes)[]) {
  let firstAt: number | undefined;
  process.on(signal, () => {
    // npm passes the signal on to a process that the terminal has already told, so it may come twice at once.
    if (firstAt !== undefined && performance.now() - firstAt > 300) process.exit(exitCodes[signal]);
    firstAt ??= performance.now();
    stoppedBy ??= signal;
    stop.abort();
  });
}

// Whoever reads the output has enough (`| head`): that is no error, and nobody is left to tell.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
}

/** Runs the desk and returns its exit code. */
async function main(): Promise<number> {
  const choices = readArguments(process.argv.slice(2));
  if (choices === undefined) {
    process.stdout.write(help);
    return 0;
  }
  const onView = sayStarting(choices);
  try {
    // Only now, because loading it all takes a while.
    const { runDesk } = await import('./run');
    // The stop may have come meanwhile.
    if (!stop.signal.aborted) await runDesk(choices, stop, onView);
  } finally {
    onView();
  }
  return stoppedBy === undefined ? 0 : exitCodes[stoppedBy];
}

/** Says that something is going on, and returns what takes that back. */
function sayStarting({ json, quiet }: Arguments): () => void {
  if (json || quiet) return () => undefined;
  const word = 'Starting…';
  const isTerminal = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
  process.stdout.write(isTerminal ? word : `${word}\n`);
  let isThere = isTerminal;
  return () => {
    if (isThere) process.stdout.write(`\r${' '.repeat(word.length)}\r`);
    isThere = false;
  };
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const code = tellEnd(error);
    process.exitCode = error instanceof DemoError && stoppedBy !== undefined ? exitCodes[stoppedBy] : code;
  },
);
