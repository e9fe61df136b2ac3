import * as fc from 'fast-check';
import { Members, type Member } from '../../lib/core/members';

const names = 8;

const steps = fc.array(
  fc.record({
    do: fc.constantFrom('add', 'delete', 'clear'),
    name: fc.nat({ max: names - 1 }),
  }),
  { maxLength: 100, size: 'max' },
);

describe('Members', () => {
  it('has what a Set has, whatever is done to it', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const known = Array.from({ length: names }, (): Member => ({ position: 0 }));
        const members = new Members<Member>();
        const model = new Set<Member>();
        for (const step of given) {
          const member = known[step.name]!;
          if (step.do === 'add' && !model.has(member)) {
            members.add(member);
            model.add(member);
          } else if (step.do === 'delete') {
            expect(members.delete(member)).toBe(model.delete(member));
          } else if (step.do === 'clear' && step.name === 0) {
            members.clear();
            model.clear();
          }
          expect(members.size).toBe(model.size);
          expect(known.map((one) => members.has(one))).toEqual(known.map((one) => model.has(one)));
          expect(new Set(members.toArray())).toEqual(model);
          expect(members.any() === undefined).toBe(model.size === 0);
        }
      }),
    );
  });
});
