/** One table of a section; the first column names, the others measure. */
export interface FigureTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** How rxllm stands to one bound. */
export interface Verdict {
  readonly what: string;
  readonly measured: string;
  readonly bound: string;
  readonly isKept: boolean;
}

/** What one part of the bench found. */
export interface SectionReport {
  readonly title: string;
  /** What a page opens with, in a sentence. */
  readonly answer?: string;
  /** What is measured, and how, in Markdown. */
  readonly about: string;
  readonly tables: readonly FigureTable[];
  /** What the figures mean to a user, in Markdown. */
  readonly reading?: string;
  readonly verdicts: readonly Verdict[];
}

/** How thorough a run is. */
export interface Effort {
  readonly isQuick: boolean;
}
