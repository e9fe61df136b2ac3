import { EMPTY, map, mergeMap, type Observable, of, throwError, timer } from 'rxjs';

/** What may become of a planned call. */
export const results = [
  'answered',
  'failed',
  'refused',
  'transient',
  'empty',
  'thrown',
  'hangs',
  'at once',
] as const;

export interface PlannedCall {
  readonly result: (typeof results)[number];
  /** Milliseconds. */
  readonly takes: number;
}

/** How those who refuse and those who hang do that. */
export interface Manners {
  /** Attempts that are refused before one is answered. */
  readonly refusals: number;
  readonly headers?: Record<string, string>;
  readonly hang$: Observable<string>;
}

/** One attempt of a planned call. */
export function attemptOf(
  { result, takes }: PlannedCall,
  attempt: number,
  { refusals, headers, hang$ }: Manners,
): Observable<string> {
  const time$ = timer(takes);
  const answer$ = time$.pipe(map(() => 'answer'));
  const failure = (status?: number) =>
    time$.pipe(
      mergeMap(() =>
        throwError(() => Object.assign(new Error('failed'), { status, ...(headers && { headers }) })),
      ),
    );
  switch (result) {
    case 'answered':
      return answer$;
    case 'failed':
      return failure();
    case 'refused':
      return attempt > refusals ? answer$ : failure(429);
    case 'transient':
      return failure(500);
    case 'empty':
      return time$.pipe(mergeMap(() => EMPTY));
    case 'thrown':
      throw new Error('thrown');
    case 'hangs':
      return hang$;
    case 'at once':
      return of('at once');
  }
}
