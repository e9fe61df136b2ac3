/** The declarations of a report's code, by name: overloads, and a type and a constant of one name, together. */
export function declarationsOf(report: string): ReadonlyMap<string, string> {
  const [, code = ''] = /^```ts\n([\s\S]*?)^```/m.exec(report) ?? [];
  const declarations = new Map<string, string>();
  for (const block of code.split(/\n(?=\S)/).reduce<string[]>(joinContinuations, [])) {
    const name = nameOf(block);
    if (name !== undefined) {
      const text = block.trim();
      declarations.set(name, [declarations.get(name), text].filter(Boolean).join('\n'));
    }
  }
  return declarations;
}

/** What is not the same in two reports, a line each; none where they are equal. */
export function changesBetween(before: string, after: string): string[] {
  const old = declarationsOf(before);
  const now = declarationsOf(after);
  const lines: string[] = [];
  for (const [name, text] of old) {
    if (!now.has(name)) {
      lines.push(`gone: ${name}`, ...marked('-', text.split('\n')));
    }
  }
  for (const [name, text] of now) {
    const previous = old.get(name);
    if (previous === undefined) {
      lines.push(`new: ${name}`, ...marked('+', text.split('\n')));
    } else if (previous !== text) {
      lines.push(`changed: ${name}`, ...lineChanges(previous.split('\n'), text.split('\n')));
    }
  }
  return lines.length === 0 && before !== after ? ['the text around the names'] : lines;
}

/** A line that only closes what an earlier one opened belongs to that one. */
function joinContinuations(blocks: string[], block: string): string[] {
  if (/^[)}\]]/.test(block) && blocks.length > 0) {
    blocks.push(`${blocks.pop()!}\n${block}`);
  } else {
    blocks.push(block);
  }
  return blocks;
}

const declaration =
  /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|type|function|const|enum|namespace) ([\w$]+)/m;

function nameOf(block: string): string | undefined {
  return declaration.exec(block)?.[1];
}

function marked(mark: string, lines: readonly string[]): string[] {
  return lines.filter((line) => line.trim() !== '').map((line) => `  ${mark} ${line}`);
}

/** The lines that only one of two texts has, in order; by the longest common part of both. */
function lineChanges(before: readonly string[], after: readonly string[]): string[] {
  const width = after.length + 1;
  const common = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      common[i * width + j] =
        before[i] === after[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
    }
  }
  const lines: string[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      i++;
      j++;
    } else if (
      j === after.length ||
      (i < before.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!)
    ) {
      lines.push(`  - ${before[i++]!}`);
    } else {
      lines.push(`  + ${after[j++]!}`);
    }
  }
  return lines;
}
