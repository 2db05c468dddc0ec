import type { RunEvent } from '../../src/finetune/events.js';
import type { Evaluation, RefocusReport } from '../../src/finetune/results.js';

type Of<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>;

export function step(some: Partial<Of<'step'>> = {}): Of<'step'> {
  return {
    type: 'step',
    phase: 'refocus',
    epoch: 0,
    epochs: 2,
    step: 1,
    steps: 10,
    loss: 1.23456,
    top1: 0.5,
    lr: 0.05,
    milliseconds: 100,
    imagesPerSecond: 640.4,
    secondsLeft: 75,
    ...some,
  };
}

export const result: Evaluation = {
  top1: 0.9125,
  top5: 0.997,
  loss: 0.28411,
  images: 1000,
  skipped: 0,
  correct: 912,
};

export function evaluation(what: string, some: Partial<Evaluation> = {}): Of<'evaluation'> {
  return { type: 'evaluation', what, epoch: null, result: { ...result, ...some } };
}

export const report: RefocusReport = {
  model: 'mobilenetv2',
  base: { network: 'width 0.25, 32×32, 10 classes', origin: 'the built-in checkpoint for shapes' },
  data: { train: 'shapes:train', eval: 'shapes:eval', how: 'drawn apart', coincide: false, skipped: [] },
  method: 'refconv',
  init: 'zero',
  mapKernel: 3,
  optimizer: 'sgd',
  groups: [],
  mapLr: { choice: 'auto', least: 0.02, most: 1 },
  form: { choice: 'auto', gram: 17, explicit: 1 },
  seed: 7,
  epochs: 3,
  device: 'cpu',
  why: [],
  engine: 'onnxruntime-node 1.30.0 (cpu)',
  lowering: 'portable',
  versions: { reparam: '0.1.0' },
  preprocess: {},
  options: {},
  results: {
    baseline: result,
    control: { ...result, top1: 0.92, loss: 0.27 },
    training: { ...result, top1: 0.93, loss: 0.25 },
    fused: { ...result, top1: 0.93, loss: 0.25 },
  },
  verify: {
    equivalent: true,
    maxRelative: 3.6e-7,
    maxAbsolute: 1e-5,
    top1Agreement: 1,
    worstNode: null,
    samples: 64,
    problems: [],
  },
  parameters: { deployed: 3504872, training: 44050952, storedState: 3504889, frozen: 65312 },
  multAdds: { deployed: 301e6, training: 340e6 },
  stepMilliseconds: { median: 276.4, count: 96 },
  stepMemory: { total: 2040109465, state: 1, activations: 1, constants: 1, inputs: 1, session: 1 },
  frozen: { tensors: 17, sha256Before: 'a1b2c3d4e5f60718', sha256After: 'a1b2c3d4e5f60718' },
  files: { baseline: 'runs/a/baseline.onnx', training: 'runs/a/training.onnx', fused: 'runs/a/fused.onnx' },
  notes: ['a note of the run'],
};
