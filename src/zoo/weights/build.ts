import { basename } from 'node:path';
import { InputError } from '../../base/errors.js';
import { PREPROCESS_KEY, presetPreprocess } from '../../base/preprocess.js';
import { readWeights } from '../../importers/index.js';
import type { Model } from '../../onnx/index.js';
import type { ZooOptions } from '../entry.js';
import { WEIGHTS_KEY } from '../metadata.js';
import { buildModel, findEntry } from '../registry.js';
import { fillFromCheckpoint } from './fill.js';
import { guessNaming, nameMap, namings } from './maps.js';
import { type Naming, namingText } from './naming.js';

export interface BuiltFromWeights {
  readonly model: Model;
  readonly naming: Naming;
}

/**
 * Builds a network of the zoo with the weights of a file.
 * @param options of the network; where the package's weights need one (Keras's ResNets: `variant: 'v1'`), it is the default
 * @param naming who named the weights; told from the names where undefined
 * @throws UsageError for bad options, InputError for a file that cannot be read or does not fit, with all that does not
 */
export async function buildFromWeights(
  name: string,
  options: ZooOptions,
  path: string,
  naming?: Naming,
): Promise<BuiltFromWeights> {
  const entry = findEntry(name);
  const plain = buildModel(name, options);
  const { tensors } = await readWeights(path);
  const ours = new Set([...plain.graph.initializers].map((v) => v.name));
  const named = naming ?? guessNaming(entry, tensors, ours, basename(path));
  if (named === undefined)
    throw new InputError({
      problem: `${path} does not hold weights of ${entry.name}`,
      expected: `names as ${namings(entry).map(namingText).join(' or ')} has them`,
      found: [...tensors.keys()].slice(0, 4).join(', '),
    });
  const map = nameMap(entry, named);
  const model = map?.options ? buildModel(name, { ...map.options, ...options }) : plain;
  const filled = fillFromCheckpoint(model, entry, tensors, named, { file: path });
  const size = options.size ?? entry.defaults.size;
  if (map?.preprocess)
    filled.metadata.set(PREPROCESS_KEY, JSON.stringify(presetPreprocess(map.preprocess, size)));
  filled.metadata.set(WEIGHTS_KEY, JSON.stringify({ file: basename(path), naming: named }));
  return { model: filled, naming: named };
}
