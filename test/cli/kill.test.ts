import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { GraphBuilder, type Model, saveModel } from '../../src/onnx/index.js';
import { buildModel, markTrained } from '../../src/zoo/index.js';
import { killedAt, reparam, scratch } from './cli.js';

const cwd = scratch();
const ARGS = ['refocus', '--model', 'base.onnx', '--data', 'shapes:size=16,train=96,eval=40'];
const RUN = ['--batch', '16', '--epochs', '2', '--checkpoint-every', '2', '--seed', '7'];

/** Kills the run in this step of a phase. Where it finished first, the comparison still holds. */
function killedIn(out: string, phase: string, step: number, resume: boolean): Promise<boolean> {
  const mark = `"phase":"${phase}","epoch":${step > 6 ? 1 : 0},"epochs":2,"step":${step},`;
  return killedAt([...ARGS, ...RUN, ...(resume ? ['--resume'] : [])], { cwd, out, mark });
}

/** Drops half of what the classifier reads, so that the masks must come back too. */
function withDropout(model: Model): Model {
  const { graph } = model;
  const last = graph.nodes[graph.nodes.length - 1];
  const b = new GraphBuilder(graph, model.opset, { place: { before: last } });
  last.setInput(0, b.op('Dropout', [last.input(0), b.f32(0.5)], {}, { name: 'dropout' }));
  return model;
}

describe('SIGKILL', () => {
  beforeAll(async () => {
    // Its depthwise maps train in the Gram form, its stem explicitly.
    const net = buildModel('mobilenetv2', { size: 16, width: 0.25, classes: 10, seed: 3, stem: 'cifar' });
    const base = withDropout(net);
    markTrained(base);
    await saveModel(base, join(cwd, 'base.onnx'));
    const whole = await reparam([...ARGS, ...RUN, '--out', 'whole'], { cwd });
    expect(whole.code, whole.stderr).toBe(0);
  }, 120_000);

  const random = randomFor('kill at any step');
  for (let i = 0; i < 3; i++) {
    const [first, second] = [1 + random.int(12), 1 + random.int(12)];
    test(`in control at step ${first}, again in refocus at step ${second}, and resumed: the same bytes`, async () => {
      const out = `killed-${i}`;
      await killedIn(out, 'control', first, false);
      if (!existsSync(join(cwd, out, 'report.json'))) await killedIn(out, 'refocus', second, true);
      const end = await reparam([...ARGS, ...RUN, '--out', out, '--resume'], { cwd });
      expect(end.code, end.stderr).toBe(0);
      for (const file of ['fused.onnx', 'training.onnx', 'control.onnx', 'baseline.onnx'])
        expect(readFileSync(join(cwd, out, file)).equals(readFileSync(join(cwd, 'whole', file))), file).toBe(
          true,
        );
      const left = readdirSync(join(cwd, out), { recursive: true, encoding: 'utf8' }).filter((f) =>
        f.endsWith('.tmp'),
      );
      // A kill between writing and renaming may leave the temporary file, never half of a named one.
      expect(left.length).toBeLessThanOrEqual(2);
    }, 120_000);
  }
});
