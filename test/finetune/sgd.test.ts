import { describe, test } from 'vitest';
import { sgd } from '../../src/finetune/optim/sgd.js';
import { Graph, GraphBuilder, Model, tensorType } from '../../src/onnx/index.js';
import { evaluate, realTensor, toNumbers } from '../../src/runtime/reference/index.js';
import { expectClose } from '../support/close.js';

interface Setting {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
}

const START = [0.5, -1.25, 2, 0];
const LR = [0.1, 0.1, 0.05, 0.05, 0.02, 0.02, 0.01, 0.01, 0.01, 0.001];

/** Gradient of a quartic bowl: it changes with the parameter, so that an error in one step shows in the next. */
const gradientAt = (p: readonly number[]): number[] => p.map((v, i) => v ** 3 - (i + 1) * 0.3);

/** torch.optim.SGD's rule, one parameter at a time, as its documentation states it (dampening 0). */
function torchRule(steps: number, { momentum, nesterov, weightDecay }: Setting): number[] {
  const p = [...START];
  const buffer: (number | undefined)[] = p.map(() => undefined);
  for (let t = 0; t < steps; t++) {
    const gradient = gradientAt(p);
    for (let i = 0; i < p.length; i++) {
      let g = gradient[i];
      if (weightDecay !== 0) g = g + weightDecay * p[i];
      if (momentum !== 0) {
        const before = buffer[i];
        const b = before === undefined ? g : momentum * before + g;
        buffer[i] = b;
        g = nesterov ? g + momentum * b : b;
      }
      p[i] -= LR[t] * g;
    }
  }
  return p;
}

/** The emitted update, run step by step by the float64 interpreter. */
function emitted(steps: number, setting: Setting): number[] {
  const graph = new Graph('sgd');
  const vector = tensorType('float32', [START.length]);
  const parameter = graph.addInput('p', vector);
  const gradient = graph.addInput('g', vector);
  const slot = setting.momentum === 0 ? undefined : graph.addInput('v', vector);
  const lr = graph.addInput('lr', tensorType('float32', []));
  const b = new GraphBuilder(graph, 20);
  const next = sgd(b, parameter, gradient, slot, lr, setting.weightDecay, setting);
  graph.addOutput(next.parameter);
  if (next.momentum) graph.addOutput(next.momentum);
  const model = new Model(graph, 20, 9);
  const real = (dims: readonly number[], data: readonly number[]): ReturnType<typeof realTensor> =>
    realTensor(dims, Float64Array.from(data));
  let p = START;
  let v = START.map(() => 0);
  for (let t = 0; t < steps; t++) {
    const feeds = new Map([
      ['p', real([p.length], p)],
      ['g', real([p.length], gradientAt(p))],
      ['lr', real([], [LR[t]])],
    ]);
    if (slot) feeds.set('v', real([v.length], v));
    const out = [...evaluate(model, feeds).values()].map((o) => Array.from(toNumbers(o)));
    p = out[0];
    v = out[1] ?? v;
  }
  return p;
}

describe('SGD by the rule of torch.optim.SGD', () => {
  for (const momentum of [0, 0.5, 0.9])
    for (const nesterov of momentum === 0 ? [false] : [false, true])
      for (const weightDecay of [0, 4e-5, 0.1])
        for (const steps of [1, 10])
          test(`momentum ${momentum}, nesterov ${nesterov}, weight decay ${weightDecay}, ${steps} steps`, () => {
            // The graph stores its constants as float32; the rule gets the same numbers.
            const stored = {
              momentum: Math.fround(momentum),
              nesterov,
              weightDecay: Math.fround(weightDecay),
            };
            const setting = { momentum, nesterov, weightDecay };
            expectClose(emitted(steps, setting), torchRule(steps, stored), {
              absolute: 1e-14,
              relative: 1e-13,
            });
          });
});
