import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../base/package.js';
import type { Model, ModelCount } from '../../onnx/index.js';
import { inspectHeader, layerTable, printable, torchinfoRows, totalsText } from '../inspect.js';
import { BOX, type Drawing } from './layout.js';

/** A box of the picture. Texts are as a reader sees them, not yet escaped. */
export interface PictureNode {
  readonly name: string;
  readonly op: string;
  /** What it is coloured by: where it multiplies, a normalization, an end of the graph. */
  readonly kind: 'weighted' | 'norm' | 'plain' | 'end';
  /** Below operator and name in the box. */
  readonly lines: readonly string[];
  readonly facts: readonly (readonly [what: string, value: string])[];
  /** Indices of the boxes it reads, all before it, and of those that read it. */
  readonly reads: readonly number[];
  readonly readBy: number[];
}

export interface Picture {
  readonly title: string;
  readonly nodes: readonly PictureNode[];
  readonly drawing: Drawing;
  readonly model: Model;
  readonly counted: ModelCount;
}

/**
 * The whole page. Nothing in it is fetched, and its policy lets a browser run no script but its own, so that a name in a
 * model file stays a name.
 */
export function picturePage(picture: Picture): string {
  const { title, nodes, counted } = picture;
  const script = asset('page.js');
  const style = asset('page.css');
  const policy = `default-src 'none'; img-src data:; style-src '${digest(style)}'; script-src '${digest(script)}'`;
  const name = escapeHtml(printable(title));
  const data = JSON.stringify({
    nodes: nodes.map(({ name, op, facts, reads, readBy }) => ({ name, op, facts, reads, readBy })),
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${name}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${name}</h1>
<p>${counted.layers.length} layers; arrow keys, Home and End walk the graph, Ctrl and the wheel zoom</p>
<button id="out" aria-label="smaller">−</button>
<button id="in" aria-label="larger">+</button>
<button id="fit">fit the width</button>
</header>
<main id="view">
${svg(picture)}
</main>
<aside>
<input id="search" type="search" placeholder="search names and operators, Enter for the next" aria-label="search">
<div id="found" role="status"></div>
<div id="details" aria-live="polite"></div>
<h2>totals, as torchinfo counts</h2>
<dl>${torchinfoRows(counted)
    .map(([what, value]) => `<dt>${escapeHtml(what)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join('')}</dl>
<pre>${escapeHtml(`${totalsText(counted)}\n\n${inspectHeader(picture.model)}`)}</pre>
<details id="layers"><summary>layers</summary>
${layersTable(picture)}
</details>
</aside>
<script type="application/json" id="data">${data.replaceAll('<', '\\u003c')}</script>
<script>${script}</script>
</body>
</html>
`;
}

function svg({ nodes, drawing }: Picture): string {
  const { width, height, places, paths } = drawing;
  const lines = paths.flatMap((d, i) => (d === '' ? [] : [`<path data-from="${i}" d="${d}"/>`]));
  const boxes = nodes.map((node, i) => {
    const { x, y } = places[i];
    const label = [node.op, node.name, ...node.lines].join(', ');
    const rows = [
      `<text x="8" y="16"><tspan class="op">${escapeHtml(cut(node.op, 22))}</tspan> <tspan>${escapeHtml(cut(node.name, 37 - Math.min(22, node.op.length)))}</tspan></text>`,
      ...node.lines.map(
        (line, n) => `<text x="8" y="${33 + 15 * n}" class="small">${escapeHtml(cut(line, 42))}</text>`,
      ),
    ];
    return `<g class="node ${node.kind}" tabindex="-1" role="button" aria-label="${escapeHtml(label)}" transform="translate(${x} ${y})"><title>${escapeHtml(label)}</title><rect width="${BOX.width}" height="${BOX.height}" rx="6"/>${rows.join('')}</g>`;
  });
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="group" aria-label="graph">
${lines.join('\n')}
${boxes.join('\n')}
</svg>`;
}

/** Rows of `inspect`, whose first cell leads to the box. */
function layersTable({ nodes, counted }: Picture): string {
  const { columns, rows } = layerTable(counted);
  // Ends stand before and after the layers.
  const first = nodes.findIndex((n) => n.kind !== 'end');
  const style = columns.map((c) => (c.align === 'right' ? ' class="number"' : ''));
  const head = columns.map((c, i) => `<th${style[i]}>${escapeHtml(c.title)}</th>`).join('');
  const body = rows.map(([name, ...cells], row) => {
    const link = `<td><button class="link" data-node="${first + row}">${escapeHtml(name)}</button></td>`;
    return `<tr>${link}${cells.map((cell, i) => `<td${style[i + 1]}>${escapeHtml(cell)}</td>`).join('')}</tr>`;
  });
  return `<table><thead><tr>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table>`;
}

function asset(name: string): string {
  return readFileSync(join(packageRoot(), 'assets', 'inspect', name), 'utf8');
}

/** As a Content-Security-Policy names a script. */
function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (c) => ENTITIES[c] ?? c);
}

function cut(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}
