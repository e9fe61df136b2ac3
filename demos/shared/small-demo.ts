import type { ModelServerOptions } from '../model-server/server';
import { tellEnd } from './demo-end';
import { asksForHelp } from './flags';
import { connectModel, type ModelConnection } from './model-connection';

/** A demo without flags of its own. */
export interface SmallDemo {
  /** Its name among the scripts of npm, without `demo:`. */
  readonly name: string;
  /** What it shows, in a line or a few. */
  readonly about: string;
  /** How the model server behaves that is started if the environment names no endpoint. */
  readonly ownServer: ModelServerOptions;
  readonly run: (connection: ModelConnection) => Promise<void>;
}

/** The text for `--help`. */
export function helpOf({ name, about }: Pick<SmallDemo, 'name' | 'about'>): string {
  return `${about}

Usage: npm run demo:${name}

  --help            this text

  OPENAI_BASE_URL   an OpenAI-compatible endpoint, such as http://127.0.0.1:11434/v1
  OPENAI_API_KEY    its key; with a key alone, the endpoint is OpenAI's
                    (with neither, a model server is started on this machine)
  OPENAI_MODEL      the model to ask (default: gpt-4o-mini, or the own server's)

Exit codes: 0 done, 1 could not run, 2 wrong flags.
`;
}

/** Runs a demo for the command line and the environment of this process, and sets the exit code. */
export async function runSmallDemo(demo: SmallDemo): Promise<void> {
  try {
    if (asksForHelp(process.argv.slice(2))) {
      process.stdout.write(helpOf(demo));
      return;
    }
    const model = process.env['OPENAI_MODEL']?.trim() || undefined;
    const connection = await connectModel(process.env, model, demo.ownServer);
    try {
      await demo.run(connection);
    } finally {
      await connection.close();
    }
  } catch (error) {
    process.exitCode = tellEnd(error);
  }
}
