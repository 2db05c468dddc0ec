import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { InputError, UnsupportedError, UsageError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import { didYouMean } from '../../base/nearest.js';
import {
  isPreset,
  PREPROCESS_KEY,
  PREPROCESS_PRESETS,
  type Preprocess,
  parsePreprocess,
  presetPreprocess,
} from '../../base/preprocess.js';
import { type Dataset, inputSize } from '../../data/index.js';
import { checkModel, loadModel, type Model } from '../../onnx/index.js';
import { builtinCheckpoint, plainName, weightSources, ZOO } from '../../zoo/index.js';
import type { DataOptions } from '../options.js';
import { onlyInput } from '../step/prepare.js';

export interface ResolvedModel {
  readonly model: Model;
  /** For tables: the zoo name, or the file. */
  readonly title: string;
  /** The data set of a built-in checkpoint. */
  readonly dataset: string | undefined;
  /** What made a built-in checkpoint. */
  readonly command: string | undefined;
}

/**
 * An ONNX file, or the built-in checkpoint of a zoo name.
 * @param flag that named it, for messages
 * @throws UsageError for a name that is neither; InputError for a file that cannot be read
 */
export async function resolveModel(name: string, flag = '--model'): Promise<ResolvedModel> {
  const known = ZOO.some((e) => e.name === plainName(name));
  if (known && !existsSync(name)) {
    const builtin = builtinCheckpoint(name);
    if (!builtin)
      throw new UsageError({
        problem: `${name} has no built-in checkpoint, and a random ${flag === '--model' ? 'base must not be refocused' : 'network teaches nothing'}`,
        hint: [
          ...(weightSources(plainName(name)).length > 0
            ? [`get published weights: reparam zoo pull ${plainName(name)} -o FILE`]
            : []),
          `train one: reparam train --model ${name} --data …`,
          `or give ${flag === '--model' ? '--baseline-epochs N, or ' : ''}an ONNX file`,
        ].join(', '),
      });
    const model = await loadChecked(builtin.path);
    return { model, title: plainName(name), dataset: builtin.dataset, command: builtin.command };
  }
  if (!existsSync(name) && !/[./\\]/.test(name)) {
    const names = ZOO.map((e) => e.name);
    const hint = didYouMean(name, names);
    throw new UsageError({
      problem: `${flag} ${name} is no file and no network of the zoo`,
      expected: `a path to an ONNX file, or one of ${names.join(', ')}`,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  return { model: await loadChecked(name), title: name, dataset: undefined, command: undefined };
}

/** Reads a model whose operators and shapes make sense. */
export async function loadChecked(path: string): Promise<Model> {
  const model = await loadModel(path);
  checkModel(model);
  return model;
}

/** [C, H, W] of the network's input, null where the file leaves it open. @throws UnsupportedError for no image input */
export function imageInput(model: Model): readonly (number | null)[] {
  const input = onlyInput(model);
  const shape = input.type?.kind === 'tensor' ? input.type.shape : undefined;
  if (shape?.length !== 4)
    throw new UnsupportedError({
      problem: `input '${input.name}' of ${model.source ?? 'the model'}`,
      expected: 'an image [N, C, H, W]',
      found: shape ? `[${shape.join(', ')}]` : 'an unknown rank',
      hint: 'export the model with the shape of its input; batch, height and width may be left open',
    });
  return shape.slice(1).map((d) => (typeof d === 'number' ? d : null));
}

/**
 * Preprocessing, from `--preprocess` or the model's own metadata, fitted to the model's input.
 * @throws UsageError when there is neither
 */
export async function resolvePreprocess(model: Model, flag: string | undefined): Promise<Preprocess> {
  const [channels, height, width] = imageInput(model);
  const own = model.metadata.get(PREPROCESS_KEY);
  const chosen =
    flag === undefined
      ? own && parsePreprocess(own, `metadata ${PREPROCESS_KEY}`)
      : await fromFlag(flag, height ?? width);
  if (!chosen)
    throw new UsageError({
      problem: `${model.source ?? 'the model'} does not say how its input is made from pixels`,
      expected: `--preprocess ${Object.keys(PREPROCESS_PRESETS).join('|')} or a JSON file`,
      hint: 'the choice matters: on a CIFAR-10 ResNet-20 it moves top-1 from 91.7 to 40 % (docs/concepts.md, Preprocessing)',
    });
  const size = inputSize(chosen);
  if ((height !== null && height !== size.height) || (width !== null && width !== size.width))
    throw new InputError({
      problem: 'preprocessing and model disagree on the image size',
      expected: `${height}×${width}, the input of ${model.source ?? 'the model'}`,
      found: `${size.height}×${size.width}`,
      hint: 'give a preprocessing with the right size',
    });
  const made = chosen.channels === 'GRAY' ? 1 : 3;
  if (channels !== null && channels !== made)
    throw new InputError({
      problem: 'preprocessing and model disagree on the channels',
      expected: `${channels}, the input of ${model.source ?? 'the model'}`,
      found: `${made} (${chosen.channels})`,
      hint:
        channels === 1
          ? 'use a preprocessing with "channels": "GRAY"'
          : 'use a preprocessing with RGB or BGR channels',
    });
  return chosen;
}

async function fromFlag(flag: string, size: number | null | undefined): Promise<Preprocess> {
  if (isPreset(flag)) return presetPreprocess(flag, size ?? undefined);
  if (!existsSync(flag) && !flag.includes('.')) return presetPreprocess(flag);
  const text = await readFile(flag, 'utf8').catch((e) => {
    throw fileError(flag, 'reading', e);
  });
  return parsePreprocess(text, flag);
}

/**
 * A model's outputs and a set's classes must mean the same: equal counts, or, where the set gives class indices
 * itself (`list:`), no index beyond the outputs; and with the preprocessing's labelOffset no label below 0.
 * @throws InputError
 */
export function checkClasses(set: Dataset, outputs: number, { labelOffset }: Preprocess): void {
  const indices = set.spec.startsWith('list:');
  const lowest = (indices ? lowestLabel(set) : 0) + labelOffset;
  const highest = set.classes - 1 + labelOffset;
  if (lowest >= 0 && (indices ? highest < outputs : highest === outputs - 1)) return;
  throw new InputError({
    problem: `${set.name} and the model disagree on the classes`,
    expected: `${outputs} outputs' worth`,
    found: `${set.classes} classes${labelOffset ? ` and a labelOffset of ${labelOffset}, labels ${lowest} to ${highest}` : ''}`,
    hint: 'class k of the data must be output k of the model; list: gives indices explicitly, "labelOffset" shifts them',
  });
}

function lowestLabel(set: Dataset): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < set.length; i++) lowest = Math.min(lowest, set.label(i));
  return lowest;
}

/**
 * Augmentation that suits a set: torchvision's usual recipe of its kind. Pictures that are fed as large as they are get the
 * one of small images: parts of them made larger would be another task than what the checkpoint knows.
 */
export function chooseAugment(
  options: DataOptions,
  set: Pick<Dataset, 'storage' | 'spec'>,
  preprocess: Pick<Preprocess, 'resize' | 'crop'>,
): 'none' | 'flip' | 'cifar' | 'imagenet' {
  if (options.augment !== 'auto') return options.augment;
  const asTheyAre = preprocess.resize === null && preprocess.crop === 'none';
  if (set.storage === 'files' && !asTheyAre) return 'imagenet';
  // Digits and letters must not be mirrored.
  return set.spec.startsWith('idx:') ? 'none' : 'cifar';
}
