import { CallPriority } from 'rxllm';
import { seededRandom } from '../../demos/model-server/random';

/** Something to be answered with its `id`. */
export interface BenchRequest {
  readonly id: number;
  readonly priority: CallPriority;
  readonly cacheKey?: string;
  readonly prompt?: string;
}

/** What requests a contender is given. */
export interface RequestKind {
  readonly priorities: 'one' | 'four';
  /** Whether each has a key of its own, or only so many are different, or each has a prompt that a key is made of. */
  readonly keys?: 'all' | 'made' | number;
}

/** The ways to be urgent, the least urgent first. */
export const priorities = Object.values(CallPriority);

/** So many requests: all MEDIUM, or of four priorities mixed at random, and the same every time. */
export function requestsOf(size: number, { priorities: mix, keys }: RequestKind): BenchRequest[] {
  const random = seededRandom(size);
  return Array.from({ length: size }, (_, index) => {
    const priority =
      mix === 'one' ? CallPriority.MEDIUM : priorities[Math.floor(random() * priorities.length)]!;
    if (keys === undefined) return { id: index, priority };
    if (keys === 'made') return { id: index, priority, prompt: promptOf(index) };
    const id = keys === 'all' ? index : index % keys;
    const cacheKey = `question ${id}`;
    // V8 puts a text of parts together only when it is first read, which belongs to making the request.
    cacheKey.charCodeAt(0);
    return { id, priority, cacheKey };
  });
}

function promptOf(index: number): string {
  return `What does story ${index} mean for those who hold the share? Answer in one sentence.`;
}

/** What the answers to requests add up to. */
export function sumOf(requests: readonly BenchRequest[]): number {
  return requests.reduce((sum, { id }) => sum + id, 0);
}
