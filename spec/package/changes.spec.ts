import { changesBetween, declarationsOf } from './api/changes';

const report = (code: string) => `# The public names of rxllm

\`\`\`ts
import { Observable } from 'rxjs';

${code}
\`\`\`
`;

const before = report(`export class Limiter {
  constructor(config?: Config);
  get state(): State;
}

export function paced<R>(
  limiter: Limiter,
): Observable<R>;

export const Level: {
  readonly LOW: 'low';
};

export type Level = (typeof Level)[keyof typeof Level];

interface State {
  readonly queued: number;
}`);

describe('the comparison of public names', () => {
  it('finds every declaration, a type and a constant of one name together', () => {
    expect([...declarationsOf(before).keys()]).toEqual(['Limiter', 'paced', 'Level', 'State']);
    expect(declarationsOf(before).get('Level')).toContain('LOW');
    expect(declarationsOf(before).get('Level')).toContain('keyof typeof Level');
    expect(declarationsOf(before).get('paced')).toContain('): Observable<R>;');
  });

  it('says nothing where nothing changed', () => {
    expect(changesBetween(before, before)).toEqual([]);
  });

  it.each([
    [
      'a name that is gone',
      before.replace(/export class Limiter \{[^}]*\}\n\n/, ''),
      ['gone: Limiter', '  - export class Limiter {'],
    ],
    [
      'a new name',
      before.replace('interface State', 'export type Extra = string;\n\ninterface State'),
      ['new: Extra', '  + export type Extra = string;'],
    ],
    [
      'a changed member',
      before.replace('get state(): State;', 'get state(): State | undefined;'),
      ['changed: Limiter', '  -   get state(): State;', '  +   get state(): State | undefined;'],
    ],
    [
      'a changed parameter',
      before.replace('limiter: Limiter,', 'limiter?: Limiter,'),
      ['changed: paced', '  -   limiter: Limiter,', '  +   limiter?: Limiter,'],
    ],
    [
      'a change of a type that cannot be imported',
      before.replace('readonly queued: number;', 'readonly waiting: number;'),
      ['changed: State', '  -   readonly queued: number;', '  +   readonly waiting: number;'],
    ],
    [
      'a type that can be imported from now on',
      before.replace('interface State', 'export interface State'),
      ['changed: State', '  - interface State {', '  + export interface State {'],
    ],
    ['another dependency', before.replace("'rxjs'", "'other'"), ['the text around the names']],
  ])('tells of %s', (_, after, lines) => {
    expect(changesBetween(before, after)).toEqual(expect.arrayContaining(lines));
    expect(changesBetween(before, after).filter((line) => !line.startsWith(' '))).toHaveLength(1);
  });

  it('tells of everything where there was no report', () => {
    expect(changesBetween('', before).filter((line) => line.startsWith('new: '))).toHaveLength(4);
  });
});
