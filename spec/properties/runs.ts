let factor = 1;

/** How many random programs a property tries: as many as are asked for, or a multiple of them in the deep tests. */
export function runs(count: number): number {
  return count * factor;
}

/** Has the properties that are described from now on try more random programs. */
export function multiplyRuns(by: number): void {
  factor = by;
}
