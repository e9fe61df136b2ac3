import OpenAI from 'openai';
import OpenAI4 from 'openai-4';
import OpenAI5 from 'openai-5';

/** The majors of the SDK that can be installed on Node 20; the types are those of the newest. */
export const openaiMajors = [
  [4, OpenAI4],
  [5, OpenAI5],
  [6, OpenAI],
] as unknown as readonly (readonly [major: number, SDK: typeof OpenAI])[];
