/** Where published weights of the zoo's networks are. Data only: src/zoo/pull downloads them. */
import { UsageError } from '../../base/errors.js';
import { didYouMean } from '../../base/nearest.js';
import { KERAS } from './keras.js';
import { ONNX_MODEL_ZOO } from './onnx.js';
import { SOURCE_NAMES, type SourceName, type WeightSource } from './source.js';
import { TIMM } from './timm.js';
import { TORCHVISION } from './torchvision.js';

export * from './source.js';

const TABLES: Readonly<Record<SourceName, readonly WeightSource[]>> = {
  torchvision: TORCHVISION,
  timm: TIMM,
  keras: KERAS,
  onnx: ONNX_MODEL_ZOO,
};

/** Every published file, whether the zoo has its network or not. */
export const WEIGHT_SOURCES: readonly WeightSource[] = SOURCE_NAMES.flatMap((name) => TABLES[name]);

/** Published weights of a network of the zoo; of each source its own default first. Empty where there are none. */
export function weightSources(network: string): readonly WeightSource[] {
  return WEIGHT_SOURCES.filter((s) => s.network === network);
}

export interface SourceChoice {
  /** Default: the first that has the network. */
  readonly source?: SourceName;
  /** The publisher's name for the weights. Default: the first of the source. */
  readonly tag?: string;
}

/**
 * The published weights that a choice means.
 * @param network name in the zoo
 * @throws UsageError when there are none, with those there are
 */
export function chooseSource(network: string, choice: SourceChoice = {}): WeightSource {
  const all = weightSources(network);
  if (all.length === 0)
    throw new UsageError({
      problem: `no public weights of ${network} are known`,
      hint: `give a file of yours: reparam zoo pull ${network} --from FILE; or train it: reparam train --model ${network} --data …`,
    });
  const { source, tag } = choice;
  const ofSource = source === undefined ? all : all.filter((s) => s.source === source);
  if (ofSource.length === 0)
    throw new UsageError({
      problem: `${source} has no weights of ${network}`,
      expected: `one of ${[...new Set(all.map((s) => s.source))].join(', ')}`,
    });
  const found = tag === undefined ? ofSource[0] : ofSource.find((s) => s.tag === tag);
  if (found) return found;
  const tags = ofSource.map((s) => s.tag);
  const hint = didYouMean(tag ?? '', tags);
  throw new UsageError({
    problem: `no weights '${tag}' of ${network}${source === undefined ? '' : ` at ${source}`}`,
    expected: tags.join(', '),
    ...(hint === undefined ? {} : { hint }),
  });
}
