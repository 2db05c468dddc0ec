import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Listener, RunEvent } from '../../src/finetune/events.js';
import {
  DATA_DEFAULTS,
  OPTIM_DEFAULTS,
  REFOCUS_DEFAULTS,
  type RefocusOptions,
} from '../../src/finetune/options.js';
import { runRefocus } from '../../src/finetune/refocus.js';
import type { RefocusReport } from '../../src/finetune/results.js';
import { loadModel, type Model, saveModel, Tensor } from '../../src/onnx/index.js';
import { constantOf, readForm, setConstant, type VerifyReport, verify } from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { buildModel, markTrained } from '../../src/zoo/index.js';

let folder: string;
let model: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reparam-refocus-'));
  model = join(folder, 'base.onnx');
  const base = buildModel('resnet20', { size: 16, classes: 10, seed: 3 });
  markTrained(base);
  base.docString = 'kept';
  base.metadata.set('origin', 'a test');
  await saveModel(base, model);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = (out: string, change: Partial<RefocusOptions> = {}): RefocusOptions => ({
  ...OPTIM_DEFAULTS,
  ...DATA_DEFAULTS,
  ...REFOCUS_DEFAULTS,
  model,
  data: 'shapes:size=16,train=96,eval=40',
  epochs: 2,
  batch: 16,
  out: join(folder, out),
  ...change,
});

const silent: Listener = () => undefined;

/** What a deployed file is made of. */
function structure(m: Model): unknown {
  return {
    nodes: m.graph.nodes.map((n) => [
      n.name,
      n.opType,
      n.inputs.map((v) => v?.name),
      n.outputs.map((v) => v.name),
      [...n.attributes.keys()],
    ]),
    initializers: [...m.graph.initializers].map((v) => [
      v.name,
      constantOf(v)?.dims,
      constantOf(v)?.dataType,
    ]),
    inputs: m.graph.inputs.map((v) => [v.name, v.type?.kind === 'tensor' && v.type.shape]),
    outputs: m.graph.outputs.map((v) => v.name),
    opsets: [...m.opsets],
    irVersion: m.irVersion,
    docString: m.docString,
    metadata: [...m.metadata.keys()].sort(),
  };
}

describe('refocus', () => {
  let report: RefocusReport;
  const events: RunEvent[] = [];
  beforeAll(async () => {
    report = await runRefocus(options('whole'), (e) => events.push(e));
  }, 120_000);

  test('the fused model is what was trained', () => {
    expect(report.verify).toMatchObject({ equivalent: true, top1Agreement: 1, problems: [] });
    expect(report.verify.maxRelative).toBeLessThanOrEqual(1e-5);
    expect(report.results.fused).toEqual({ ...report.results.training, loss: report.results.fused.loss });
    expect(report.results.fused.images).toBe(40);
    expect(report.results.control?.images).toBe(40);
  });

  test("the fused file has the baseline's structure, names and metadata", async () => {
    const [before, after] = await Promise.all([
      loadModel(report.files.baseline),
      loadModel(report.files.fused),
    ]);
    expect(structure(after)).toEqual(structure(before));
    expect(after.docString).toBe('kept');
    expect(after.metadata.get('origin')).toBe('a test');
  });

  test("frozen kernels are the checkpoint's", () => {
    expect(report.frozen.tensors).toBe(19);
    expect(report.frozen.sha256After).toBe(report.frozen.sha256Before);
  });

  test('training moved every kernel', async () => {
    const [before, after] = await Promise.all([
      loadModel(report.files.baseline),
      loadModel(report.files.fused),
    ]);
    const weights = new Map([...after.graph.initializers].map((v) => [v.name, v]));
    for (const v of before.graph.initializers) {
      const [a, b] = [constantOf(v), constantOf(weights.get(v.name) ?? v)];
      if (a && b && a.dims.length === 4) expect(Buffer.compare(a.bytes(), b.bytes()), v.name).not.toBe(0);
    }
  });

  test('counts: deployed, training, stored and frozen apart', () => {
    const { deployed, training, storedState, frozen } = report.parameters;
    expect(deployed).toBe(269_722);
    // Each 3×3 kernel is frozen and has a 3×3 map of its own: as many trained values as without.
    expect(training).toBe(deployed);
    expect(storedState).toBe(training);
    expect(frozen).toBe(267_696);
    expect(report.multAdds.training).toBeGreaterThan(report.multAdds.deployed);
  });

  test('events: each phase, step and evaluation is told', () => {
    const steps = events.filter((e) => e.type === 'step');
    expect(steps.filter((e) => e.phase === 'control')).toHaveLength(12);
    expect(steps.filter((e) => e.phase === 'refocus')).toHaveLength(12);
    expect(events.filter((e) => e.type === 'evaluation').map((e) => e.what)).toEqual([
      'baseline',
      'training',
      'fused',
      'control',
    ]);
    expect(report.stepMilliseconds.count).toBe(12);
  });

  test('report.json is the report', () => {
    expect(JSON.parse(readFileSync(join(folder, 'whole', 'report.json'), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(report)),
    );
    expect(report.notes.join()).toContain('proves the pipeline');
  });

  describe('verify sees a training form that is not what was fused', () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await createEngine();
    });
    afterAll(() => engine.close());

    /** verify(training, fused) after a change of one value in a map or base of the first layer. */
    async function verifyChanged(
      part: 'map' | 'base',
      change: (value: number) => number,
    ): Promise<{ report: VerifyReport; layer: string }> {
      const training = await loadModel(report.files.training);
      const layer = readForm(training)?.layers[0];
      const value = layer?.[part];
      const base = layer && constantOf(layer.base);
      const tensor = value && constantOf(value);
      if (!layer || !base || !tensor) throw new Error(`no ${part}`);
      const kernels = Array.from(base.typed(), Number);
      // The largest value of the base, and the middle tap of the map that reads it.
      const largest = kernels.reduce((m, v, i) => (Math.abs(v) > Math.abs(kernels[m]) ? i : m), 0);
      const at = part === 'base' ? largest : Math.floor(largest / 9) * 9 + 4;
      const data = Float32Array.from(Array.from(tensor.typed(), Number));
      const before = data[at];
      data[at] = change(before);
      expect(data[at]).not.toBe(before);
      setConstant(value, Tensor.float32(tensor.dims, data));
      return {
        report: await verify(training, await loadModel(report.files.fused), engine),
        layer: layer.weight,
      };
    }

    test('as written they are equivalent', async () => {
      const { training, fused } = report.files;
      const same = await verify(await loadModel(training), await loadModel(fused), engine);
      expect(same).toMatchObject({ equivalent: true, problems: [] });
    });

    test('a value of W_b with another sign', async () => {
      const changed = await verifyChanged('base', (v) => -v);
      expect(changed.report.equivalent).toBe(false);
      expect(changed.report.maxRelative).toBeGreaterThan(1e-5);
    });

    test('a value of W_b by a millionth, which moves no output beyond the limit', async () => {
      const changed = await verifyChanged('base', (v) => v * (1 + 1e-6));
      expect(changed.report.equivalent).toBe(false);
      expect(changed.report.maxRelative).toBeLessThanOrEqual(1e-5);
      expect(changed.report.problems.join()).toContain(changed.layer);
    });

    test('a value of W_r by 0.1', async () => {
      const changed = await verifyChanged('map', (v) => v + 0.1);
      expect(changed.report.equivalent).toBe(false);
      expect(changed.report.maxRelative).toBeGreaterThan(1e-5);
    });

    // A map is added to the identity: what a change does is measured on the scale of 1, not of the map's own value.
    test('a value of W_r by a millionth of the identity, which moves no output beyond the limit', async () => {
      const changed = await verifyChanged('map', (v) => v + 1e-6);
      expect(changed.report.equivalent).toBe(false);
      expect(changed.report.maxRelative).toBeLessThanOrEqual(1e-5);
      expect(changed.report.problems.join()).toContain(changed.layer);
      expect(changed.report.worstNode).not.toBeNull();
    });
  });

  for (const [phase, at] of [
    ['control', 5],
    ['refocus', 1],
    ['refocus', 8],
    ['refocus', 12],
  ] as const)
    test(`stopped in ${phase} after step ${at} and resumed, it ends with the same bytes`, async () => {
      const out = `stopped-${phase}-${at}`;
      const abort = new AbortController();
      const change = { checkpointEvery: 3 };
      await expect(
        runRefocus(
          options(out, change),
          (e) => {
            if (e.type === 'step' && e.phase === phase && e.step === at) abort.abort(new Error('stopped'));
          },
          abort.signal,
        ),
      ).rejects.toThrow('stopped');
      expect(existsSync(join(folder, out, 'report.json'))).toBe(false);
      const resumed = await runRefocus(options(out, { ...change, resume: true }), silent);
      for (const name of ['fused.onnx', 'training.onnx', 'control.onnx'])
        expect(
          readFileSync(join(folder, out, name)).equals(readFileSync(join(folder, 'whole', name))),
          name,
        ).toBe(true);
      expect(resumed.results).toEqual(report.results);
    });
});

describe('refusals', () => {
  test('a folder that holds a run', async () => {
    await expect(runRefocus(options('whole'), silent)).rejects.toThrow(/holds a run already.*\n.*--resume/s);
  });

  test('resuming with another learning rate names it', async () => {
    await expect(runRefocus(options('whole', { resume: true, lr: 0.5 }), silent)).rejects.toThrow(
      `options.lr was ${options('whole').lr}, is 0.5`,
    );
  });

  test('resuming where nothing is', async () => {
    await expect(runRefocus(options('nowhere', { resume: true }), silent)).rejects.toThrow(/holds no run/);
  });

  test.each([{ mapLr: 0 }, { mapLr: Number.NaN }, { tolerance: 0 }, { baselineEpochs: 0.5 }])(
    'an option that makes no sense: %o',
    async (change) => {
      const flag = Object.keys(change)[0].replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
      await expect(runRefocus(options('senseless', change), silent)).rejects.toMatchObject({
        exitCode: 2,
        message: expect.stringContaining(`--${flag}; expected a`),
      });
    },
  );

  test('an untrained base', async () => {
    const path = join(folder, 'random.onnx');
    await saveModel(buildModel('resnet20', { size: 16 }), path);
    await expect(runRefocus(options('untrained', { model: path }), silent)).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(/untrained.*--baseline-epochs/s),
    });
    expect(existsSync(join(folder, 'untrained'))).toBe(false);
  });

  test('missing preprocessing', async () => {
    const path = join(folder, 'plain.onnx');
    const plain = buildModel('resnet20', { size: 16 });
    plain.metadata.clear();
    await saveModel(plain, path);
    await expect(runRefocus(options('plain', { model: path }), silent)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(/--preprocess imagenet/),
    });
  });

  test('classes that do not fit', async () => {
    const path = join(folder, 'seven.onnx');
    const seven = buildModel('resnet20', { size: 16, classes: 7 });
    markTrained(seven);
    await saveModel(seven, path);
    await expect(runRefocus(options('seven', { model: path }), silent)).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(/7 outputs.*10 classes/),
    });
  });
});

test('an untrained base is trained first with --baseline-epochs', async () => {
  const result = await runRefocus(
    options('from-scratch', {
      model: 'resnet20',
      data: 'shapes:size=32,train=32,eval=16',
      baselineEpochs: 1,
      epochs: 1,
      control: false,
    }),
    silent,
  );
  expect(result.verify.equivalent).toBe(true);
  expect(result.results.control).toBeNull();
  const base = await loadModel(result.files.baseline);
  expect(base.metadata.get('reparam.trained')).toBe('true');
});
