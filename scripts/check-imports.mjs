// The one-way import rule: a room may import itself and the rooms below it, never one above.
// Only src/runtime may import an inference runtime, and only src/onnx/codec the protobuf library.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const below = {
  base: [],
  onnx: ['base'],
  runtime: ['onnx', 'base'],
  importers: ['runtime', 'onnx', 'base'],
  zoo: ['importers', 'runtime', 'onnx', 'base'],
  data: ['importers', 'runtime', 'onnx', 'base'],
  reparam: ['zoo', 'data', 'importers', 'runtime', 'onnx', 'base'],
  finetune: ['reparam', 'zoo', 'data', 'importers', 'runtime', 'onnx', 'base'],
  analysis: ['finetune', 'reparam', 'zoo', 'data', 'importers', 'runtime', 'onnx', 'base'],
  report: ['finetune', 'reparam', 'zoo', 'data', 'importers', 'runtime', 'onnx', 'base'],
};
const only = [
  [/^(onnxruntime-|@tensorflow\/)/, 'src/runtime/'],
  [/^protobufjs/, 'src/onnx/codec/'],
  [/^sharp$/, 'src/data/'],
  [/^yargs/, 'cli/'],
];
const problems = [];
const list = (dir) =>
  readdirSync(`${root}${dir}`, { recursive: true })
    .map((f) => `${dir}/${f.replaceAll('\\', '/')}`)
    .filter((f) => f.endsWith('.ts'));
for (const file of [...list('src'), ...list('cli')]) {
  const room = file.startsWith('src/') && file.split('/').length > 2 ? file.split('/')[1] : undefined;
  if (room && !below[room])
    problems.push(`${file}: no such room as src/${room}; add it to scripts/check-imports.mjs`);
  const text = readFileSync(root + file, 'utf8');
  for (const [, spec] of text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)) {
    if (!spec.startsWith('.')) {
      for (const [pattern, home] of only)
        if (pattern.test(spec) && !file.startsWith(home))
          problems.push(`${file}: only ${home} may import ${spec}`);
      continue;
    }
    const target = relative(root, resolve(root, dirname(file), spec));
    if (!room) continue;
    const other = target.startsWith('src/') ? target.split('/')[1] : undefined;
    if (!other || (other !== room && !below[room]?.includes(other)))
      problems.push(
        `${file}: src/${room} may not import ${target}; it may import ${below[room]?.join(', ') || 'nothing else'}`,
      );
  }
}
for (const p of problems) console.error(p);
console.error(problems.length ? `${problems.length} import problems` : 'imports: one way');
process.exit(problems.length ? 1 : 0);
