import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { version } from '../../package.json';
import { faces, specifierOf } from './built';

const textOf = (page: string) => readFileSync(page, 'utf8');

/** The files that a page links to, from the root. */
function linksOf(page: string): string[] {
  return [...textOf(page).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)].map(([, path]) =>
    join(dirname(page), path!),
  );
}

const docs = readdirSync('docs')
  .filter((file) => file.endsWith('.md'))
  .map((file) => `docs/${file}`);

describe('the pages of the package', () => {
  it.each(['README.md', 'CHANGELOG.md', 'llms.txt', ...docs])('link from %s to files that exist', (page) => {
    expect(linksOf(page).filter((path) => !existsSync(path))).toEqual([]);
  });

  it('are all in llms.txt, with the public names of every face', () => {
    expect(linksOf('llms.txt')).toEqual(expect.arrayContaining(['README.md', 'CHANGELOG.md', ...docs]));
    for (const face of faces) {
      const name = specifierOf(face);
      expect(textOf('llms.txt')).toContain(`[${name}](docs/api/${face === 'index' ? 'rxllm' : face}.api.md)`);
    }
  });

  it('have a dated heading in the CHANGELOG for the version of package.json', () => {
    expect(textOf('CHANGELOG.md')).toMatch(
      new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\] - \\d{4}-\\d{2}-\\d{2}$`, 'm'),
    );
  });
});
