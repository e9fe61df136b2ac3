/** The style of every chart, in light and dark. */
export const chartStyle = `
  svg { font: 11px system-ui, sans-serif; }
  .page { fill: #ffffff } .text { fill: #1f2328 } .faint { fill: #59636e } .lost { fill: #b42318 }
  .line { stroke: #d1d9e0 } .oracle { stroke: #818b98 }
  .own { fill: #0969da } .rival { fill: #9198a1 } .cut { fill: none; stroke: #b42318 }
  .bold { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .text { fill: #f0f6fc } .faint { fill: #9198a1 } .lost { fill: #ff7b72 }
    .line { stroke: #3d444d } .oracle { stroke: #656c76 }
    .own { fill: #4493f8 } .rival { fill: #767d87 } .cut { stroke: #ff7b72 }
  }`;

/** Text in a chart. */
export function chartText(x: number, y: number, className: string, words: string): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text class="${className}" x="${x}" y="${y}">${escaped}</text>`;
}
