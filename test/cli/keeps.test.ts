/** No file that a command writes loses what it was given: metadata, documentation, operator sets, functions, names. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { decodeModel, loadModel, type Model } from '../../src/onnx/index.js';
import { wireDifference, wireRecords } from '../support/wire.js';
import { reparam, scratch } from './cli.js';

const cwd = scratch();
/** Made by scripts/make-onnx-fixtures.py: Conv, BatchNormalization, a local function, a depthwise Conv, Gemm. */
const DOCUMENTED = fileURLToPath(new URL('../fixtures/onnx/documented.onnx', import.meta.url));
const file = (name: string): Uint8Array => readFileSync(join(cwd, name));

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await reparam(args, { cwd });
  expect(code, stderr).toBe(0);
  return stdout;
}

/** Everything that is said of a thing by name, as text. */
function descriptions(model: Model): Map<string, string> {
  const all = new Map<string, string>();
  const say = (
    what: string,
    x: { readonly docString: string; readonly metadata: ReadonlyMap<string, string> },
  ): void => {
    all.set(what, JSON.stringify([x.docString, ...x.metadata]));
  };
  say('model', model);
  say('graph', model.graph);
  for (const n of model.graph.nodes) say(`node ${n.name}`, n);
  for (const v of model.graph.values()) {
    say(`value ${v.name}`, v);
    if (v.initializer) say(`tensor ${v.name}`, v.initializer);
  }
  return all;
}

beforeAll(async () => {
  await run('expand', DOCUMENTED, '-o', 'training.onnx', '--init', 'xavier');
  await run('expand', DOCUMENTED, '-o', 'zero.onnx');
  await run('fuse', 'training.onnx', '-o', 'folded.onnx', '--fold-batchnorm');
});

describe('a model where everything is described', () => {
  test('expand adds, and takes nothing away', () => {
    const before = descriptions(decodeModel(readFileSync(DOCUMENTED)));
    const after = descriptions(decodeModel(file('training.onnx')));
    // The markers are in the model's metadata; a base has the kernel's numbers under its own name.
    const same = [...before].filter(
      ([what]) => !/^(model|(value|tensor) (conv|depthwise)\.weight)$/.test(what),
    );
    for (const [what, said] of same) expect([what, after.get(what)]).toEqual([what, said]);
    expect(after.get('model')).toContain('"b","2"],["a","1"],["empty",""]');
  });

  test('expand and fuse, from zero: the same file', async () => {
    await run('fuse', 'zero.onnx', '-o', 'same.onnx');
    expect(wireDifference(file('same.onnx'), readFileSync(DOCUMENTED))).toEqual([]);
  });

  test('fuse of other numbers: the same but for the numbers', async () => {
    await run('fuse', 'training.onnx', '-o', 'fused.onnx');
    const difference = wireDifference(file('fused.onnx'), readFileSync(DOCUMENTED));
    expect(difference.length).toBeGreaterThan(0);
    // graph (7), initializer (5), raw_data (9)
    for (const line of difference) expect(line).toMatch(/\/7\[0\]\/5\[\d+\]\/9\[0\] /);
  });

  test('fuse --fold-batchnorm: what was said of the normalization stands at the convolution', async () => {
    const before = await loadModel(DOCUMENTED);
    const after = await loadModel(join(cwd, 'folded.onnx'));
    const said = descriptions(before);
    const kept = descriptions(after);
    // Gone with the normalization: its own node and parameters, and the value between the two.
    const gone = [...said.keys()].filter((what) => !kept.has(what));
    expect(gone.sort()).toEqual(
      [
        'node bn',
        'value c',
        ...['gamma', 'beta', 'mean', 'var'].flatMap((p) => [`value ${p}`, `tensor ${p}`]),
      ].sort(),
    );
    for (const [what, text] of said)
      if (kept.has(what) && what !== 'node conv') expect([what, kept.get(what)]).toEqual([what, text]);
    expect(kept.get('node conv')).toBe(
      JSON.stringify(['conv doc\nbn doc', ['note', 'about conv'], ['only conv', 'x'], ['only bn', 'x']]),
    );
    expect([...after.opsets]).toEqual([...before.opsets]);
    expect([after.irVersion, after.producerName, after.modelVersion]).toEqual([
      before.irVersion,
      before.producerName,
      before.modelVersion,
    ]);
    const whole = (bytes: Uint8Array): string[] =>
      // functions (25), opset_import (8), unknown fields (700 to 713), quantization_annotation (7/14)
      wireRecords(bytes).filter((r) => /^\/(25|8|71\d)\[|^\/7\[0\]\/14\[|\/70\d\[/.test(r));
    expect(whole(file('folded.onnx'))).toEqual(whole(readFileSync(DOCUMENTED)));
    expect(whole(file('folded.onnx')).length).toBeGreaterThan(20);
  });
});
