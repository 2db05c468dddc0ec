import { describe, test } from 'vitest';
import { expectClose } from '../support/close.js';
import { runUpdates, updateGraph } from '../support/updates.js';

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
function emitted(steps: number, { weightDecay, ...sgd }: Setting): readonly number[] {
  const options = { optimizer: { kind: 'sgd' as const, ...sgd }, weightDecay, decayAll: true };
  const graph = updateGraph({ p: { dims: [START.length], start: START } }, options);
  const states = runUpdates(graph, LR.slice(0, steps), (state) => ({
    p: gradientAt(state.get('p/parameter') ?? []),
  }));
  return states.at(-1)?.get('p/parameter') ?? [];
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
