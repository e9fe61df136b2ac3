import type { Diagram, DiagramRow } from './marbles';

/** Pixels: the width of a frame, the height of a row, and the radius of a marble. */
const frame = 24;
const height = 36;
const radius = 10;

/** Draws a marble diagram as a figure of HTML, in the colours of the page around it. */
export function drawn({ settings, rows }: Diagram): string {
  const left = 8 * Math.max(...rows.map(({ name }) => name.length)) + 2 * radius;
  const frames = 1 + Math.max(...rows.map(({ startsAt, marbles }) => startsAt + marbles.length));
  const texts = [settings, ...rows.map(({ note }) => note)].filter((text) => text !== '');
  return [
    '<figure class="marbles" style="overflow-x: auto; margin: 1em 0">',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + frame * frames}" height="${height * rows.length}" role="img"`,
    ' font-family="monospace" font-size="13" fill="currentColor">',
    ...rows.map((row, index) => rowAt(height * (index + 0.5), left, row)),
    `</svg><figcaption>${texts.map(escaped).join('<br>')}</figcaption></figure>\n`,
  ].join('');
}

function rowAt(y: number, left: number, { name, marbles, startsAt }: DiagramRow): string {
  let isGroup = false;
  let end = left + frame * (startsAt + marbles.length);
  const signs = Array.from(marbles, (marble, index) => {
    // The marbles of a group stand side by side from its bracket on.
    const x = left + frame * (startsAt + index - (isGroup ? 1 : 0));
    switch (marble) {
      case '-':
        return '';
      case '(': {
        isGroup = true;
        const inside = /^\((\w*)/.exec(marbles.slice(index))![1]!.length;
        return `<rect x="${x - radius - 3}" y="${y - radius - 3}" width="${frame * (inside - 1) + 2 * radius + 6}" height="${2 * radius + 6}" rx="${radius + 3}" fill="none" stroke="currentColor" stroke-dasharray="2 2"/>`;
      }
      case ')':
        isGroup = false;
        return '';
      case '|':
      case '!':
        end = x;
        return `<path d="M${x} ${y - radius}v${2 * radius}" stroke="currentColor" stroke-width="2" stroke-dasharray="${marble === '!' ? '3 2' : 'none'}"/>`;
      case '#':
        end = index === marbles.length - 1 ? x : end;
        return `<path d="M${x - 7} ${y - 7}l14 14m0 -14l-14 14" stroke="currentColor" stroke-width="2"/>`;
      default: {
        const hue = (137 * marble.toLowerCase().charCodeAt(0)) % 360;
        return `<circle cx="${x}" cy="${y}" r="${radius}" fill="hsl(${hue} 65% 80%)" stroke="currentColor"/><text x="${x}" y="${y + 4}" text-anchor="middle" fill="black">${marble}</text>`;
      }
    }
  });
  const line = `<path d="M${left + frame * startsAt} ${y}H${end}" stroke="currentColor"/>`;
  return `<text x="0" y="${y + 4}">${escaped(name)}</text>${line}${signs.join('')}`;
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
