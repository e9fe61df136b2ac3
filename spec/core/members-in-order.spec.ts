import * as fc from 'fast-check';
import type { Member } from '../../lib/core/members';
import { MembersInOrder } from '../../lib/core/members-in-order';

const names = 60;

const steps = fc.array(
  fc.record({
    do: fc.constantFrom('add', 'add', 'delete', 'delete', 'replace', 'clear'),
    name: fc.nat({ max: names - 1 }),
    other: fc.nat({ max: names - 1 }),
  }),
  { maxLength: 400, size: 'max' },
);

describe('MembersInOrder', () => {
  it('has what a list has from which others are taken out, in the order in which they came', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const known = Array.from({ length: names }, (): Member => ({ position: 0 }));
        const members = new MembersInOrder<Member>();
        let model: Member[] = [];
        for (const step of given) {
          const member = known[step.name]!;
          const other = known[step.other]!;
          const isThere = model.includes(member);
          if (step.do === 'add' && !isThere) {
            members.add(member);
            model.push(member);
          } else if (step.do === 'delete') {
            expect(members.delete(member)).toBe(isThere);
            model = model.filter((one) => one !== member);
          } else if (step.do === 'replace' && !model.includes(other)) {
            expect(members.replace(member, other)).toBe(isThere);
            model = model.map((one) => (one === member ? other : one));
          } else if (step.do === 'clear' && step.name === 0) {
            members.clear();
            model = [];
          }
          expect(members.size).toBe(model.length);
          expect(members.toArray()).toEqual(model);
          expect(known.filter((one) => members.has(one)).length).toBe(model.length);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('closes its gaps, so that what comes and goes leaves nothing behind', () => {
    const members = new MembersInOrder<Member>();
    const stays: Member = { position: 0 };
    members.add(stays);
    let highest = 0;
    for (let number = 0; number < 10_000; number++) {
      const member: Member = { position: 0 };
      members.add(member);
      highest = Math.max(highest, member.position);
      expect(members.delete(member)).toBe(true);
    }
    expect(highest).toBeLessThan(100);
    expect(members.toArray()).toEqual([stays]);
  });
});
