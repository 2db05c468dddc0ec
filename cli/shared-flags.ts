import {
  DATA_DEFAULTS,
  type DataOptions,
  OPTIM_DEFAULTS,
  type OptimOptions,
  REFOCUS_DEFAULTS,
  type RunOptions,
  startingRate,
} from '../src/finetune/options.js';
import { ascending, type FlagsFor, integer, type MaybeFlag, number, oneOf, text, toggle } from './flags.js';
import { GROUPS } from './groups.js';
import { parameterGroups, weights } from './setting-kinds.js';

const training = { group: GROUPS.training } as const;
const data = { group: GROUPS.model } as const;
const run = { group: GROUPS.run } as const;

export const SPEC = text('SPEC', 'shapes, imagefolder:DIR, cifar10:DIR, cifar100:DIR, idx:DIR or list:FILE');

/** The output file of a command that writes one model. */
export const output = {
  kind: text('FILE', 'a file name'),
  describe: 'Where to write the model; an existing file is replaced whole or not at all',
  alias: 'o',
  required: true,
  group: GROUPS.output,
} as const;

export const optimFlags = {
  epochs: {
    kind: integer(1),
    describe: 'Passes over the training set',
    default: OPTIM_DEFAULTS.epochs,
    ...training,
  },
  batch: { kind: integer(1), describe: 'Images per step', default: OPTIM_DEFAULTS.batch, ...training },
  optimizer: {
    kind: oneOf('sgd', 'adam', 'adamw', 'rmsprop'),
    describe: 'Rule of the update',
    default: OPTIM_DEFAULTS.optimizer,
    ...training,
  },
  momentum: {
    kind: number({ atLeast: 0, below: 1 }),
    describe: 'Momentum of sgd and rmsprop',
    default: OPTIM_DEFAULTS.momentum,
    ...training,
  },
  nesterov: {
    kind: toggle,
    describe: 'sgd: Nesterov momentum',
    default: OPTIM_DEFAULTS.nesterov,
    ...training,
  },
  dampening: {
    kind: number({ atLeast: 0, below: 1 }),
    describe: 'sgd: the momentum takes in 1 - X of each gradient but the first',
    default: OPTIM_DEFAULTS.dampening,
    ...training,
  },
  beta1: {
    kind: number({ atLeast: 0, below: 1 }),
    describe: 'adam, adamw: how much of the average gradient stays in a step',
    default: OPTIM_DEFAULTS.beta1,
    ...training,
  },
  beta2: {
    kind: number({ atLeast: 0, below: 1 }),
    describe: 'adam, adamw: how much of the average square stays in a step',
    default: OPTIM_DEFAULTS.beta2,
    ...training,
  },
  alpha: {
    kind: number({ atLeast: 0, below: 1 }),
    describe: 'rmsprop: how much of the average square stays in a step',
    default: OPTIM_DEFAULTS.alpha,
    ...training,
  },
  epsilon: {
    kind: number({ above: 0 }),
    describe: 'adam, adamw, rmsprop: what keeps the division by the root of that average finite',
    default: OPTIM_DEFAULTS.epsilon,
    ...training,
  },
  rmspropStyle: {
    kind: oneOf('torch', 'tensorflow'),
    describe: 'rmsprop: epsilon outside the root, or inside it and the rate in the momentum',
    default: OPTIM_DEFAULTS.rmspropStyle,
    ...training,
  },
  weightDecay: {
    kind: number({ atLeast: 0 }),
    describe: 'Weight decay; adamw: apart from the gradient',
    default: OPTIM_DEFAULTS.weightDecay,
    ...training,
  },
  decayAll: {
    kind: toggle,
    describe: 'Weight decay also on BatchNormalization and biases',
    default: OPTIM_DEFAULTS.decayAll,
    ...training,
  },
  group: {
    kind: parameterGroups,
    describe:
      'Settings for the parameters that a glob names: lr=FACTOR, decay=WEIGHT DECAY, frozen; later ones go before earlier ones',
    default: OPTIM_DEFAULTS.group,
    ...training,
  },
  accumulate: {
    kind: integer(1),
    describe: 'Steps whose gradients make one update',
    default: OPTIM_DEFAULTS.accumulate,
    ...training,
  },
  clipValue: {
    kind: number({ above: 0 }),
    describe: 'Largest size of an entry of a gradient',
    maybe: true,
    ...training,
  },
  clipNorm: {
    kind: number({ above: 0 }),
    describe: 'Largest norm of all gradients together',
    maybe: true,
    ...training,
  },
  ema: {
    kind: number({ atLeast: 0, below: 1 }),
    describe: 'Decay of a moving average of the weights, which is then evaluated and saved',
    maybe: true,
    ...training,
  },
  emaWarmup: {
    kind: toggle,
    describe: 'Let that decay grow with the number of updates',
    default: OPTIM_DEFAULTS.emaWarmup,
    ...training,
  },
  distill: {
    kind: text('NAME|FILE', 'a zoo name that comes trained, or an ONNX file'),
    describe: 'A network whose answers are a second target',
    maybe: true,
    ...training,
  },
  temperature: {
    kind: number({ above: 0 }),
    describe: '--distill: both answers are softened by it',
    default: OPTIM_DEFAULTS.temperature,
    ...training,
  },
  distillWeight: {
    kind: number({ above: 0, atMost: 1 }),
    describe: '--distill: share of the second target in the loss',
    default: OPTIM_DEFAULTS.distillWeight,
    ...training,
  },
  aux: {
    kind: weights,
    describe:
      'An output that only the training loss judges, and its weight in it [default: as the model says: metadata reparam.auxiliary]',
    default: OPTIM_DEFAULTS.aux,
    ...training,
  },
  labelSmoothing: {
    kind: number({ atLeast: 0, below: 1 }),
    describe: 'Label smoothing',
    default: OPTIM_DEFAULTS.labelSmoothing,
    ...training,
  },
  schedule: {
    kind: oneOf('cosine', 'step', 'multistep', 'constant'),
    describe: 'How the learning rate falls',
    default: OPTIM_DEFAULTS.schedule,
    ...training,
  },
  warmupEpochs: {
    kind: number({ atLeast: 0 }),
    describe: 'Linear warm-up, epochs (may be a fraction)',
    default: OPTIM_DEFAULTS.warmupEpochs,
    ...training,
  },
  stepEpochs: {
    kind: integer(1),
    describe: 'schedule step: epochs between two drops of the rate',
    default: OPTIM_DEFAULTS.stepEpochs,
    ...training,
  },
  milestones: {
    kind: ascending,
    describe: 'schedule multistep: epochs at which the rate drops',
    default: OPTIM_DEFAULTS.milestones,
    ...training,
  },
  gamma: {
    kind: number({ above: 0, atMost: 1 }),
    describe: 'schedules step and multistep: factor of a drop',
    default: OPTIM_DEFAULTS.gamma,
    ...training,
  },
  bn: {
    kind: oneOf('train', 'frozen'),
    describe: "BatchNormalization with the batch's statistics, or with the checkpoint's",
    default: OPTIM_DEFAULTS.bn,
    ...training,
  },
  dropout: {
    kind: oneOf('train', 'off'),
    describe: "The network's own dropout and stochastic depth: as in training, or not at all",
    default: OPTIM_DEFAULTS.dropout,
    ...training,
  },
} as const satisfies FlagsFor<Omit<OptimOptions, 'lr'>>;

/** Its default depends on the optimizer and the command: {@link startingRate}. */
export function rateFlag(command: 'train' | 'refocus'): MaybeFlag<number> {
  const [sgd, others] = [startingRate('sgd', command), startingRate('adam', command)];
  return {
    kind: number({ above: 0 }),
    describe: `Peak learning rate [default: ${sgd} with sgd, else ${others}]`,
    maybe: true,
    ...training,
  };
}

export const dataFlags = {
  data: {
    kind: SPEC,
    describe: 'Training and evaluation set in one; shapes is built in (drawn, no files)',
    maybe: true,
    ...data,
  },
  train: { kind: SPEC, describe: 'Training set', maybe: true, ...data },
  eval: { kind: SPEC, describe: 'Evaluation set', maybe: true, ...data },
  preprocess: {
    kind: text('NAME|FILE', 'imagenet, cifar10, tf, caffe or a JSON file'),
    describe: 'How pixels become the input, where the model does not say or in place of what it says',
    maybe: true,
    ...data,
  },
  augment: {
    kind: oneOf('auto', 'none', 'flip', 'cifar', 'imagenet'),
    describe:
      'Augmentation of training images; auto: imagenet for photographs that are resized, cifar for other images, none for idx',
    default: DATA_DEFAULTS.augment,
    ...data,
  },
  strict: {
    kind: toggle,
    describe: 'Stop at the first corrupt image instead of skipping and counting it',
    default: DATA_DEFAULTS.strict,
    ...data,
  },
  workers: {
    kind: integer(1, { most: 256 }),
    describe: 'Decoding threads',
    default: DATA_DEFAULTS.workers,
    ...data,
  },
} as const satisfies FlagsFor<DataOptions>;

export const deviceFlags = {
  engine: {
    kind: oneOf('onnxruntime', 'tfjs'),
    describe: 'What runs graphs; tfjs: TensorFlow.js, a package to install [default: onnxruntime]',
    maybe: true,
    ...run,
  },
  device: {
    kind: oneOf('auto', 'cpu', 'webgpu', 'cuda'),
    describe:
      'Where graphs run; auto: the fastest that computes what the CPU computes. reparam doctor shows what is there',
    default: REFOCUS_DEFAULTS.device,
    ...run,
  },
  allowSoftware: {
    kind: toggle,
    describe: '--device webgpu: also an adapter that the processor imitates, which is slow',
    default: REFOCUS_DEFAULTS.allowSoftware,
    ...run,
  },
  threads: {
    kind: integer(1, { most: 1024 }),
    describe: 'Threads inside one operator [default: the cores]',
    maybe: true,
    ...run,
  },
} as const;

/** All but `out`, whose default depends on the command. */
export const runFlags = {
  seed: {
    kind: integer(0),
    describe: 'Every random choice follows from it',
    default: REFOCUS_DEFAULTS.seed,
    ...run,
  },
  ...deviceFlags,
  resume: {
    kind: toggle,
    describe: 'Go on from the last checkpoint in the run folder',
    default: REFOCUS_DEFAULTS.resume,
    ...run,
  },
  switchOptimizer: {
    kind: toggle,
    describe:
      'With --resume: take another optimizer, rate, decay or clipping than the run was started with; what begins anew is said',
    default: REFOCUS_DEFAULTS.switchOptimizer,
    ...run,
  },
  checkpointEvery: {
    kind: integer(0),
    describe: 'Steps between checkpoints; 0: at the end of each epoch',
    default: REFOCUS_DEFAULTS.checkpointEvery,
    ...run,
  },
  memoryCheck: {
    kind: toggle,
    describe: 'Run even when a step needs more memory than is free',
    default: REFOCUS_DEFAULTS.memoryCheck,
    negative: true,
    ...run,
  },
  lowering: {
    kind: oneOf('auto', 'blocked', 'parallel', 'portable'),
    describe:
      "Operators of a step; portable: standard ones, blocked: the CPU provider's own, faster, parallel: standard ones in many small pieces, for graphics cards; auto: blocked where doctor finds them, parallel on WebGPU",
    default: REFOCUS_DEFAULTS.lowering,
    ...run,
  },
} as const satisfies FlagsFor<Omit<RunOptions, 'out'>>;

export const outFolder = {
  kind: text('DIR', 'a folder name'),
  describe: 'Run folder [default: runs/COMMAND-MODEL]',
  alias: 'o',
  maybe: true,
  group: GROUPS.output,
} as const;
