import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PREPROCESS_KEY, parsePreprocess, preprocessSchema } from '../../src/base/preprocess.js';
import { randomFor } from '../../src/base/random.js';
import { encodeSafetensors } from '../../src/finetune/run/safetensors.js';
import type { Tensor } from '../../src/onnx/index.js';
import { constantOf } from '../../src/reparam/index.js';
import type { Arguments } from './arguments.js';
import { FORMS, type Form, NETWORK_NAMES, NETWORKS, type NetworkName, plainModel } from './cases.js';

/** What each process reads: `task.json`, beside the files it names. Peers read the same (bench/peers/step.py). */
export const taskSchema = z.object({
  network: z.enum(NETWORK_NAMES),
  arch: z.string(),
  form: z.enum(FORMS),
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
} as const;

/** Writes a task and its inputs: random images and labels, and the network's initial weights for the peers. */
export function writeTask(folder: string, name: NetworkName, form: Form, options: Arguments): void {
  const network = NETWORKS[name];
  const { batch } = network;
  const { size, classes, width, stem } = network.options;
  const model = plainModel(name);
  const stored = model.metadata.get(PREPROCESS_KEY);
  if (stored === undefined) throw new Error(`${name} has no preprocessing`);
  const task: Task = {
    network: name,
    arch: network.arch,
    form,
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
