import type { Member } from './members';

/** So many gaps are left however few members there are. */
const fewGaps = 32;

/**
 * A set of things that each stand in at most one such set at a time, in the order in which they came. One that is deleted
 * leaves a gap, so that no other one is touched, until there are three times as many gaps as members.
 */
export class MembersInOrder<T extends Member> {
  #all: (T | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(member: T): void {
    member.position = this.#all.push(member) - 1;
    this.#size++;
  }

  has(member: T): boolean {
    return this.#all[member.position] === member;
  }

  /** False for one that was not there. */
  delete(member: T): boolean {
    if (!this.has(member)) {
      return false;
    }
    this.#all[member.position] = undefined;
    this.#size--;
    if (this.#all.length > 4 * this.#size + fewGaps) {
      this.#closeGaps();
    }
    return true;
  }

  /** Puts another one in the place of one; false if that was not there. */
  replace(member: T, other: T): boolean {
    if (!this.has(member)) {
      return false;
    }
    this.#all[member.position] = other;
    other.position = member.position;
    return true;
  }

  clear(): void {
    this.#all = [];
    this.#size = 0;
  }

  /** Those of now, whatever is added and deleted later. */
  toArray(): T[] {
    return this.#all.filter((member) => member !== undefined);
  }

  #closeGaps(): void {
    let end = 0;
    for (const member of this.#all) {
      if (member !== undefined) {
        member.position = end;
        this.#all[end++] = member;
      }
    }
    this.#all.length = end;
  }
}
