import type { DeviceChoice, EngineName } from '../runtime/index.js';
import type { LoweringChoice } from './lowering/choose.js';
import type { ParameterGroup } from './run/groups.js';

/** Options of a training run, with the defaults that the command line and the library share. */
export interface OptimOptions {
  readonly epochs: number;
  /** Images per step. */
  readonly batch: number;
  /** Peak learning rate. */
  readonly lr: number;
  readonly optimizer: 'sgd' | 'adam' | 'adamw' | 'rmsprop';
  /** sgd and rmsprop. */
  readonly momentum: number;
  /** sgd. */
  readonly nesterov: boolean;
  /** sgd: the momentum takes in 1 − dampening of each gradient but the first. */
  readonly dampening: number;
  /** adam, adamw: how much of the averages of gradients and of their squares stays in a step. */
  readonly beta1: number;
  readonly beta2: number;
  /** rmsprop: how much of the average of squares stays in a step. */
  readonly alpha: number;
  /** adam, adamw, rmsprop: what keeps the division by the root of the average of squares finite. */
  readonly epsilon: number;
  /** rmsprop: epsilon outside the root, as PyTorch, or inside it, with the rate in the momentum, as TensorFlow 1. */
  readonly rmspropStyle: 'torch' | 'tensorflow';
  /** adamw: apart from the gradient; the others: as a part of it. */
  readonly weightDecay: number;
  /** Weight decay also on BatchNormalization scale and bias and on conv/FC biases. */
  readonly decayAll: boolean;
  /** Settings of the parameters that a pattern names; later ones go before earlier ones. */
  readonly group: readonly ParameterGroup[];
  /** Steps whose gradients make one update: their mean is used. BatchNormalization sees one step at a time. */
  readonly accumulate: number;
  /** Largest size of an entry of a gradient. */
  readonly clipValue?: number;
  /** Largest global norm of the gradients, after `clipValue`. */
  readonly clipNorm?: number;
  /** Decay of a moving average of the weights, which is then what is evaluated and saved. */
  readonly ema?: number;
  /** The decay of the average grows with the number of updates t as 1 − t^(−2/3), up to `ema`. */
  readonly emaWarmup: boolean;
  readonly labelSmoothing: number;
  /** Another network, whose answers are a second target: a zoo name with a built-in checkpoint, or an ONNX file. */
  readonly distill?: string;
  readonly temperature: number;
  /** Share of the second target in the loss. */
  readonly distillWeight: number;
  /** Outputs that only the training loss judges, with their weights in it. */
  readonly aux: readonly AuxiliaryWeight[];
  readonly schedule: 'cosine' | 'step' | 'multistep' | 'constant';
  /** Linear warm-up, epochs (may be a fraction). */
  readonly warmupEpochs: number;
  /** step: every `stepEpochs` epochs the rate is multiplied by `gamma`; multistep: at each of `milestones` (epochs). */
  readonly stepEpochs: number;
  readonly milestones: readonly number[];
  readonly gamma: number;
  /** BatchNormalization: batch statistics and updated running ones, or the checkpoint's, frozen. */
  readonly bn: 'train' | 'frozen';
  /** Dropout and stochastic depth: as in training, or not at all. */
  readonly dropout: 'train' | 'off';
}

/** An output of the network beside the one that is evaluated. */
export interface AuxiliaryWeight {
  readonly name: string;
  readonly weight: number;
}

export interface DataOptions {
  /** Both sets in one spec (`shapes`, `imagefolder:DIR`, `cifar10:DIR`, …); or `train` and `eval` apart. */
  readonly data?: string;
  readonly train?: string;
  readonly eval?: string;
  /** Preset name or JSON file, for a model that has no preprocessing of its own. */
  readonly preprocess?: string;
  /** default: what suits the data set. */
  readonly augment: 'auto' | 'none' | 'flip' | 'cifar' | 'imagenet';
  /** Stop at the first corrupt image instead of skipping and counting it. */
  readonly strict: boolean;
  /** Decoding threads. */
  readonly workers: number;
}

export interface RunOptions {
  readonly seed: number;
  /** What runs graphs. Default: onnxruntime. */
  readonly engine?: EngineName;
  /** auto: the fastest that computes what the CPU computes. */
  readonly device: DeviceChoice;
  /** Whether `webgpu` may be an adapter that the processor only imitates. */
  readonly allowSoftware: boolean;
  readonly threads?: number;
  /** Run folder. */
  readonly out: string;
  readonly resume: boolean;
  /** With `resume`: the optimizer, its settings, learning rate, weight decay and clipping may be others than at the start. */
  readonly switchOptimizer: boolean;
  /** Steps between checkpoints; 0: at the end of each epoch only. */
  readonly checkpointEvery: number;
  /** Refuse a run whose steps need more memory than is free. */
  readonly memoryCheck: boolean;
  /**
   * Operators of a step. portable: standard ones, NCHW; blocked: those of the CPU provider on blocks of channels; auto:
   * blocked where the engine has them. The same mathematics: results differ in their last bits.
   */
  readonly lowering: LoweringChoice;
}

export interface RefocusOptions extends OptimOptions, DataOptions, RunOptions {
  /** Zoo name with a built-in checkpoint, or an ONNX file. */
  readonly model: string;
  readonly method: 'refconv';
  readonly mapKernel: number;
  readonly init: 'xavier' | 'zero';
  /**
   * Factor on the learning rate of the maps. auto: 1 ÷ the layer's gain, so that a step moves a kernel at most as far as
   * in plain training; 1: as published.
   */
  readonly mapLr: 'auto' | number;
  /** How maps are trained. auto: in the Gram form where it holds and is smaller, else explicitly; the same kernels. */
  readonly form: 'auto' | 'explicit' | 'gram';
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Equal-budget control: the same checkpoint, data order, schedule and epochs, plain convolutions. */
  readonly control: boolean;
  /** Trains an untrained base first, this many epochs. */
  readonly baselineEpochs: number;
  /** Limit of the relative difference between training form and fused model. */
  readonly tolerance: number;
}

export interface TrainOptions extends OptimOptions, DataOptions, RunOptions {
  readonly model: string;
  /** For zoo names: width multiplier, image side, classes. */
  readonly width?: number;
  readonly size?: number;
  readonly classes?: number;
  /** MobileNetV2: first strides as published for ImageNet, or for 32-pixel images. */
  readonly stem?: 'imagenet' | 'cifar';
}

export interface EvalOptions extends Omit<DataOptions, 'augment' | 'train'> {
  readonly model: string;
  readonly batch: number;
  readonly engine?: EngineName;
  readonly device: DeviceChoice;
  readonly allowSoftware: boolean;
  readonly threads?: number;
}

export const OPTIM_DEFAULTS: OptimOptions = {
  epochs: 3,
  batch: 64,
  lr: 0.05,
  optimizer: 'sgd',
  momentum: 0.9,
  nesterov: false,
  dampening: 0,
  beta1: 0.9,
  beta2: 0.999,
  alpha: 0.9,
  epsilon: 1e-8,
  rmspropStyle: 'torch',
  weightDecay: 4e-5,
  decayAll: false,
  group: [],
  accumulate: 1,
  emaWarmup: false,
  temperature: 4,
  distillWeight: 0.5,
  aux: [],
  labelSmoothing: 0,
  schedule: 'cosine',
  warmupEpochs: 0,
  stepEpochs: 30,
  milestones: [],
  gamma: 0.1,
  bn: 'train',
  dropout: 'train',
};

/**
 * A learning rate to start from where none is given. Adam's and RMSprop's steps have the size of the rate whatever the
 * gradient, so theirs is much smaller; refocusing tunes a trained checkpoint, so its is a fifth.
 */
export function startingRate(optimizer: OptimOptions['optimizer'], command: 'train' | 'refocus'): number {
  if (optimizer === 'sgd') return command === 'train' ? OPTIM_DEFAULTS.lr : REFOCUS_DEFAULTS.lr;
  return command === 'train' ? 0.001 : 0.0002;
}

export const DATA_DEFAULTS: DataOptions = { augment: 'auto', strict: false, workers: 1 };

export const REFOCUS_DEFAULTS = {
  // A trained checkpoint is tuned, not trained anew.
  lr: 0.01,
  warmupEpochs: 0.5,
  method: 'refconv',
  mapKernel: 3,
  init: 'zero',
  mapLr: 'auto',
  form: 'auto',
  include: [],
  exclude: [],
  control: true,
  baselineEpochs: 0,
  tolerance: 1e-5,
  seed: 0,
  device: 'auto',
  allowSoftware: false,
  resume: false,
  switchOptimizer: false,
  checkpointEvery: 0,
  memoryCheck: true,
  lowering: 'auto',
} as const satisfies Partial<RefocusOptions>;
