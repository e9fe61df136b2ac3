/**
 * The site of the API reference, with the pages of docs/: writes site/, and fails if TypeDoc warns.
 *
 * Run it: npm run docs
 */
import { Application } from 'typedoc';
import { faces, specifierOf, type Face } from '../built';
import { diagramIn } from './marbles';
import { drawn } from './svg';

void main();

async function main(): Promise<void> {
  const app = await Application.bootstrap({
    name: 'rxllm',
    entryPoints: faces.map((face) => `lib/${face}.ts`),
    projectDocuments: ['docs/*.md', 'CHANGELOG.md'],
    out: 'site',
    githubPages: false,
    navigation: { includeFolders: false },
    disableGit: true,
    disableSources: true,
    skipErrorChecking: true,
    excludeInternal: true,
    intentionallyNotExported: [
      'errorKinds',
      'ErrorAnswer',
      'EventOf',
      'Lenient',
      'NotAString',
      'RequestEvent',
    ],
    markdownItLoader: (parser: MarkdownParser) => {
      const fence = parser.renderer.rules.fence;
      parser.renderer.rules.fence = (tokens, index, ...rest) => {
        const { info, content } = tokens[index]!;
        const diagram = info === '' ? diagramIn(content) : undefined;
        return diagram ? drawn(diagram) : fence(tokens, index, ...rest);
      };
    },
  });
  const project = await app.convert();
  for (const module of project?.children ?? []) {
    module.name = specifierOf(module.name as Face);
  }
  if (project) {
    app.validate(project);
    await app.generateOutputs(project);
  }
  process.exitCode = Number(!project || app.logger.hasErrors() || app.logger.hasWarnings());
}

/** What is used here of a MarkdownIt, which has no types. */
interface MarkdownParser {
  readonly renderer: {
    readonly rules: {
      fence: (
        tokens: readonly { info: string; content: string }[],
        index: number,
        ...rest: unknown[]
      ) => string;
    };
  };
}
