/** Something that knows its place among others. */
export interface Member {
  position: number;
}

/**
 * A set of things that each stand in at most one such set at a time, in no order: to add and to delete one takes a few
 * instructions and a word, where a `Set` hashes, grows and copies.
 */
export class Members<T extends Member> {
  #all: T[] = [];

  get size(): number {
    return this.#all.length;
  }

  add(member: T): void {
    member.position = this.#all.push(member) - 1;
  }

  has(member: T): boolean {
    return this.#all[member.position] === member;
  }

  /** False for one that was not there. */
  delete(member: T): boolean {
    if (!this.has(member)) {
      return false;
    }
    const last = this.#all.pop()!;
    if (last !== member) {
      this.#all[member.position] = last;
      last.position = member.position;
    }
    return true;
  }

  clear(): void {
    this.#all = [];
  }

  /** Any of them; undefined where there is none. */
  any(): T | undefined {
    return this.#all.at(-1);
  }

  /** Those of now, whatever is added and deleted later. */
  toArray(): T[] {
    return [...this.#all];
  }
}
