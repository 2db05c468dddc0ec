import type { Model } from '../../onnx/index.js';
import type { ZooEntry } from '../entry.js';
import type { WeightSource } from '../sources/index.js';
import { buildFromWeights, type Naming } from '../weights/index.js';

/**
 * A network of the zoo with the weights of a file.
 * @param source who publishes the file; told from the names in it where undefined
 * @throws InputError when the file cannot be read or does not fit the network, with all that does not
 */
export async function fillNetwork(
  entry: ZooEntry,
  path: string,
  source: WeightSource | undefined,
): Promise<Model> {
  const size = source?.preprocess?.size;
  const options = { ...source?.options, ...(typeof size === 'number' && { size }) };
  const { model } = await buildFromWeights(entry.name, options, path, source && namingOf(source));
  return model;
}

/** Who named the weights of a published file; undefined for files whose graph is used as it is. */
function namingOf({ source, tag }: WeightSource): Naming | undefined {
  if (source === 'onnx') return undefined;
  return source === 'timm' && tag.startsWith('tf_') ? 'timm-tf' : source;
}
