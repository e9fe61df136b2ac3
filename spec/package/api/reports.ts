import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Extractor, ExtractorConfig, ExtractorLogLevel, type IConfigFile } from '@microsoft/api-extractor';
import { format, resolveConfig } from 'prettier';
import { root, specifierOf, type Face } from '../built';

/** The public names of a face, as they were extracted. */
export interface ApiReport {
  /** The page of `docs/api/`. */
  readonly text: string;
  /** Types that a public name needs, but that cannot be imported. */
  readonly forgotten: readonly string[];
}

/** The file of a face's report, from the folder of the repository. */
export const reportPath = (face: Face): string => `docs/api/${face === 'index' ? 'rxllm' : face}.api.md`;

/** Extracts the public names of a face from its built types. */
export async function extractReport(face: Face, dist = join(root, 'dist')): Promise<ApiReport> {
  const folder = mkdtempSync(join(tmpdir(), 'rxllm-api-'));
  try {
    const forgotten: string[] = [];
    const config = ExtractorConfig.prepare({
      configObject: configOf(join(dist, `${face}.d.mts`), folder, face),
      configObjectFullPath: undefined,
      packageJsonFullPath: join(root, 'package.json'),
    });
    mkdirSync(join(folder, 'temp'));
    const result = Extractor.invoke(config, {
      localBuild: true,
      messageCallback: (message) => {
        if (message.messageId === 'ae-forgotten-export') {
          forgotten.push(/"(.*?)"/.exec(message.text)?.[1] ?? message.text);
        }
        const isError = message.logLevel === ExtractorLogLevel.Error;
        message.handled = !isError;
      },
    });
    if (!result.succeeded) {
      throw new Error(`The public names of ${specifierOf(face)} could not be extracted.`);
    }
    const text = readFileSync(join(folder, 'report.api.md'), 'utf8');
    return { text: await readable(text, face), forgotten: [...new Set(forgotten)].sort() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What stands on the public names alone: their own report has them. */
const annexes: readonly Face[] = ['live', 'otel'];

function configOf(types: string, folder: string, face: Face): IConfigFile {
  return {
    projectFolder: root,
    mainEntryPointFilePath: types,
    compiler: {
      overrideTsconfig: {
        compilerOptions: {
          target: 'ES2022',
          lib: ['ES2022'],
          module: 'ESNext',
          moduleResolution: 'bundler',
          types: ['node'],
          strict: true,
          exactOptionalPropertyTypes: true,
          skipLibCheck: true,
        },
        files: [types],
      },
    },
    apiReport: {
      enabled: true,
      reportFolder: folder,
      reportTempFolder: join(folder, 'temp'),
      reportFileName: 'report.api.md',
      // What changes in a type that has no public name changes those that have one.
      includeForgottenExports: !annexes.includes(face),
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    newlineKind: 'lf',
    messages: {
      compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
      extractorMessageReporting: { default: { logLevel: ExtractorLogLevel.Warning } },
    },
  };
}

/** Without remarks about doc comments, which may change freely, and in the format of this repository. */
async function readable(text: string, face: Face): Promise<string> {
  const path = join(root, reportPath(face));
  const [, code] = /^```ts\n([\s\S]*?)^```/m.exec(text) ?? [];
  if (code === undefined) {
    throw new Error(`The report of ${specifierOf(face)} holds no code.`);
  }
  if (code.includes('@internal')) {
    throw new Error(`The types of ${specifierOf(face)} hold names that are marked @internal.`);
  }
  const names = code
    .split('\n')
    .filter((line) => !/^\s*\/\/ (?:\(undocumented\)|\(No @packageDocumentation|@public\b)/.test(line))
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
  const page = `# The public names of ${specifierOf(face)}

Written by \`npm run api\` from the built types; \`npm run api:check\`, a part of \`npm test\`, fails where they are others.
What has no \`export\` cannot be imported, but a public name needs it.

\`\`\`ts
${names}
\`\`\`
`;
  return format(page, { ...(await resolveConfig(path)), filepath: path });
}
