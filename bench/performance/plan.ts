import type { PartName } from './options';

/** What the measuring process is told. */
export interface Plan {
  readonly isQuick: boolean;
  readonly parts: readonly PartName[];
  /** The file of the sample that the news desk replays. */
  readonly sample: string;
}
