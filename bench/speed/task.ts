import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PREPROCESS_KEY, parsePreprocess, preprocessSchema } from '../../src/base/preprocess.js';
import { randomFor } from '../../src/base/random.js';
import { LOWERINGS } from '../../src/finetune/lowering/choose.js';
import { encodeSafetensors } from '../../src/importers/safetensors.js';
import type { Tensor } from '../../src/onnx/index.js';
import { constantOf } from '../../src/reparam/index.js';
import { type Arguments, FORMS } from './arguments.js';
import { NETWORK_NAMES, type NetworkName, plainModel, scaled, TRAININGS, type Training } from './cases.js';
import { layersOf } from './layers.js';

/** What each process reads: `task.json`, beside the files it names. Peers read the same (bench/peers). */
export const taskSchema = z.object({
  network: z.enum(NETWORK_NAMES),
  arch: z.string(),
  /** Of the sides; with `--paired` both are trained. */
  training: z.enum(TRAININGS),
  width: z.number(),
  classes: z.number(),
  stem: z.enum(['imagenet', 'cifar']).nullable(),
  batch: z.number(),
  /** [C, H, W]. */
  image: z.tuple([z.number(), z.number(), z.number()]),
  preprocess: preprocessSchema,
  lr: z.number(),
  momentum: z.number(),
  weightDecay: z.number(),
  /** Of our step. */
  lowering: z.enum(LOWERINGS),
  form: z.enum(FORMS),
  threads: z.number(),
  warmup: z.number(),
  steps: z.number(),
});

export type Task = z.infer<typeof taskSchema>;

export const FILES = {
  task: 'task.json',
  /** uint8 [N, C, H, W]. */
  images: 'images.bin',
  /** int32 [N], little-endian. */
  labels: 'labels.bin',
  weights: 'weights.safetensors',
  /** The plain network, for peers that have no code of their own for it. */
  layers: 'layers.json',
} as const;

/** What of the arguments a task depends on. */
export type TaskOptions = Pick<Arguments, 'scale' | 'lowering' | 'form' | 'threads' | 'warmup' | 'steps'>;

/** Writes a task and its inputs: random images and labels, and for the peers the network and its initial weights. */
export function writeTask(folder: string, name: NetworkName, training: Training, options: TaskOptions): void {
  const network = scaled(name, options.scale);
  const { batch } = network;
  const { size, classes, width, stem } = network.options;
  const model = plainModel(network);
  const stored = model.metadata.get(PREPROCESS_KEY);
  if (stored === undefined) throw new Error(`${name} has no preprocessing`);
  const task: Task = {
    network: name,
    arch: network.arch,
    training,
    width,
    classes,
    stem,
    batch,
    image: [3, size, size],
    preprocess: parsePreprocess(stored, name),
    // Small, so that random labels do not make the weights diverge.
    lr: 1e-3,
    momentum: 0.9,
    weightDecay: 4e-5,
    lowering: options.lowering,
    form: options.form,
    threads: options.threads,
    warmup: options.warmup,
    steps: options.steps,
  };
  const random = randomFor(0, 'bench', name);
  const images = Uint8Array.from({ length: batch * 3 * size * size }, () => random.int(256));
  const labels = Buffer.alloc(4 * batch);
  for (let i = 0; i < batch; i++) labels.writeInt32LE(random.int(classes), 4 * i);
  const weights = new Map<string, Tensor>();
  for (const value of model.graph.values()) {
    const tensor = constantOf(value);
    if (tensor?.dataType === 'float32') weights.set(value.name, tensor);
  }
  writeFileSync(join(folder, FILES.task), JSON.stringify(task));
  writeFileSync(join(folder, FILES.images), images);
  writeFileSync(join(folder, FILES.labels), labels);
  writeFileSync(join(folder, FILES.layers), JSON.stringify(layersOf(model)));
  writeFileSync(join(folder, FILES.weights), Buffer.concat(encodeSafetensors(weights, {})));
}

export interface TaskInputs {
  readonly task: Task;
  readonly images: Uint8Array;
  readonly labels: Int32Array;
}

export function readTask(folder: string): TaskInputs {
  const task = taskSchema.parse(JSON.parse(readFileSync(join(folder, FILES.task), 'utf8')));
  const labels = readFileSync(join(folder, FILES.labels));
  return {
    task,
    images: readFileSync(join(folder, FILES.images)),
    labels: Int32Array.from({ length: task.batch }, (_, i) => labels.readInt32LE(4 * i)),
  };
}
