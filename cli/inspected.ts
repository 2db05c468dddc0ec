import { existsSync } from 'node:fs';
import { InputError, ModelError, UsageError } from '../src/base/errors.js';
import { didYouMean } from '../src/base/nearest.js';
import type { Model } from '../src/onnx/index.js';
import type { ZooOptions } from '../src/zoo/index.js';
import type { Context } from './command.js';
import { flagName } from './flags.js';
import { type ImageSize, imageShapes, imageSizeText } from './image-size.js';
import { readModel } from './read-model.js';

/** A model to look at, and the dims of its input where they are not its own. */
export interface Inspected {
  readonly model: Model;
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
}

/** How a model is to be looked at. */
export interface Look {
  readonly image?: ImageSize;
  /** Of a network of the zoo. */
  readonly options: ZooOptions;
}

/**
 * A file, or a network of the zoo, whose weights stay undrawn; for images of another size where one is asked for.
 * @throws UsageError when the model cannot take images of that size, or when a file is given options of the zoo
 */
export async function inspected(
  name: string,
  context: Context,
  { batch, image, options }: Look & { readonly batch: number },
): Promise<Inspected> {
  const arch = await zooName(name);
  const model = await opened(name, arch, context, { options, ...(image && { image }) });
  if (!image || (arch !== undefined && isSquare(image))) return { model };
  const inputShapes = imageShapes(model, image, batch);
  const { inferTypes } = await import('../src/onnx/index.js');
  try {
    inferTypes(model, { strict: true, inputShapes: new Map(Object.entries(inputShapes)) });
  } catch (cause) {
    if (!(cause instanceof ModelError)) throw cause;
    throw new UsageError({
      problem: `${name} takes no images of ${imageSizeText(image)}`,
      found: cause.message,
      ...(arch !== undefined && { hint: '--image N builds it for square images' }),
      cause,
    });
  }
  return { model, inputShapes };
}

/** A file, or the network of this name as `train` builds it. @throws UsageError when a file is given options of the zoo */
export async function trained(name: string, context: Context, look: Look): Promise<Model> {
  return opened(name, await zooName(name), context, look);
}

async function opened(
  name: string,
  arch: string | undefined,
  context: Context,
  { image, options }: Look,
): Promise<Model> {
  if (arch !== undefined) {
    const { buildModel } = await import('../src/zoo/index.js');
    // The zoo builds for square images of any size.
    return buildModel(arch, image && isSquare(image) ? { ...options, size: image.height } : options);
  }
  const [given] = Object.keys(options);
  if (given !== undefined)
    throw new UsageError({
      problem: `--${flagName(given, {})} is for networks of the zoo`,
      found: `the file ${name}`,
      hint: 'reparam zoo build writes such a network as a file',
    });
  return readModel(name, context);
}

function isSquare({ height, width }: ImageSize): boolean {
  return height === width;
}

/** The zoo's network of this name; undefined for a file. @throws InputError when there is neither */
async function zooName(name: string): Promise<string | undefined> {
  if (existsSync(name)) return undefined;
  const { plainName, ZOO } = await import('../src/zoo/index.js');
  const entry = ZOO.find((e) => e.name === plainName(name));
  // What looks like a path is a file that is not there; readModel says so.
  if (entry || /[./\\]/.test(name)) return entry?.name;
  throw new InputError({
    problem: `reading ${name}: no such file, and no network of the zoo`,
    hint:
      didYouMean(
        plainName(name),
        ZOO.map((e) => e.name),
      ) ?? 'reparam zoo list shows the networks',
  });
}
