import { InputError, ModelError, UsageError } from '../base/errors.js';
import { didYouMean } from '../base/nearest.js';
import type { Model } from '../onnx/index.js';
import { ALEXNETS } from './alexnet.js';
import { CIFAR_RESNETS } from './cifar-resnet.js';
import { CONVNEXTS } from './convnext.js';
import { DENSENETS } from './densenet.js';
import { EFFICIENTNETS } from './efficientnet.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import { FASTERNETS } from './fasternet.js';
import { GOOGLENETS } from './googlenet.js';
import { HBONET } from './hbonet.js';
import { LENET5 } from './lenet5.js';
import { MOBILENETV1 } from './mobilenetv1.js';
import { MOBILENETV2 } from './mobilenetv2.js';
import { MOBILENETV3S } from './mobilenetv3.js';
import { MOBILENEXT } from './mobilenext.js';
import { MOBILEONES } from './mobileone.js';
import { plainName } from './names.js';
import { PLAIN_NETS } from './plain-resnet.js';
import { REPVGGS } from './repvgg.js';
import { RESNETS } from './resnet.js';
import { SHUFFLENETV1S } from './shufflenetv1.js';
import { SHUFFLENETV2S } from './shufflenetv2.js';
import { SQUEEZENETS } from './squeezenet.js';
import { STUDY_RESNETS } from './study-resnet.js';
import { VGGS } from './vgg.js';

/** Every network the zoo builds. A new family is one file that exports its entries, and its line here. */
export const ZOO: readonly ZooEntry[] = [
  MOBILENETV2,
  ...MOBILENETV3S,
  ...CIFAR_RESNETS,
  ...RESNETS,
  ...PLAIN_NETS,
  ...STUDY_RESNETS,
  ...DENSENETS,
  ...SQUEEZENETS,
  ...SHUFFLENETV2S,
  ...EFFICIENTNETS,
  ...CONVNEXTS,
  ...FASTERNETS,
  ...SHUFFLENETV1S,
  MOBILENETV1,
  MOBILENEXT,
  HBONET,
  ...MOBILEONES,
  ...REPVGGS,
  LENET5,
  ...ALEXNETS,
  ...VGGS,
  ...GOOGLENETS,
];

/** The entry of this name; case and punctuation do not count (`MobileNet_V2`, `SqueezeNet-1.0`). @throws UsageError */
export function findEntry(name: string): ZooEntry {
  const plain = plainName(name);
  const entry = ZOO.find((e) => e.name === plain);
  if (entry) return entry;
  const hint = didYouMean(
    plain,
    ZOO.map((e) => e.name),
  );
  throw new UsageError({
    problem: `no network '${name}' in the zoo`,
    hint: [hint, 'reparam zoo list shows the networks'].filter((h) => h !== undefined).join(' '),
  });
}

/**
 * Builds a network with random weights (`reparam.trained` is `false` in its metadata).
 * @throws UsageError for an unknown name, an option the family does not have, a value out of range, or images that become
 * smaller than a window of the network
 */
export function buildModel(name: string, options: ZooOptions = {}): Model {
  const entry = findEntry(name);
  checkOptions(entry.name, entry.accepts, options);
  try {
    return entry.build(options);
  } catch (cause) {
    const { size } = options;
    if (!(cause instanceof ModelError) || size === undefined || size >= entry.defaults.size) throw cause;
    throw new UsageError({
      problem: `${entry.name}: images of ${size} pixels are too small`,
      found: cause.message,
      hint: `its own size is ${entry.defaults.size}`,
      cause,
    });
  }
}

/** Where a file is wanted and a name of the zoo is given. @throws InputError for such a name */
export function refuseZooName(file: string): void {
  const entry = ZOO.find((e) => e.name === plainName(file));
  if (!entry) return;
  throw new InputError({
    problem: `reading ${file}: no such file`,
    hint: `${entry.name} is a network of the zoo: reparam zoo build ${entry.name} -o FILE writes it with random weights, reparam zoo pull ${entry.name} with published ones`,
  });
}
