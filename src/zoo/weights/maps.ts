import type { Tensor } from '../../onnx/index.js';
import type { ZooEntry } from '../entry.js';
import { CONVNEXT } from './convnext.js';
import { DENSENET } from './densenet.js';
import { EFFICIENTNET } from './efficientnet.js';
import { GOOGLENET } from './googlenet.js';
import { plainKerasName } from './keras-names.js';
import { MOBILENETV1 } from './mobilenetv1.js';
import { MOBILENETV2 } from './mobilenetv2.js';
import { MOBILENETV3 } from './mobilenetv3.js';
import { NAMINGS, type NameMap, type Naming, SAME } from './naming.js';
import { withoutPrefixes } from './prefixes.js';
import { RESNET } from './resnet.js';
import { VGG } from './vgg.js';

type Family = { readonly [N in Naming]?: NameMap };

/** Networks by their names in the zoo, and who has them under which names. All have the zoo's own. */
const FAMILIES: readonly (readonly [networks: RegExp, maps: Family])[] = [
  [/^alexnettorchvision$/, { torchvision: SAME }],
  [/^vgg\d+(bn)?$/, { torchvision: SAME, ...VGG }],
  [/^googlenettorchvision$/, GOOGLENET],
  [/^resnet(18|34)$/, { torchvision: SAME, timm: SAME }],
  [/^resnet(50|101|152)$/, { torchvision: SAME, timm: SAME, ...RESNET }],
  [/^densenet\d+$/, DENSENET],
  [/^squeezenet/, { torchvision: SAME }],
  [/^mobilenetv1$/, MOBILENETV1],
  [/^mobilenetv2$/, { torchvision: SAME, ...MOBILENETV2 }],
  [/^mobilenetv3/, { torchvision: SAME, ...MOBILENETV3 }],
  [/^efficientnet/, { torchvision: SAME, ...EFFICIENTNET }],
  [/^shufflenetv2/, { torchvision: SAME }],
  [/^convnext/, { torchvision: SAME, ...CONVNEXT }],
  [/^(repvgg|mobileone|fasternet)/, { timm: SAME }],
];

/** How this package names the weights of a network, undefined where it does not have it. */
export function nameMap(entry: ZooEntry, naming: Naming): NameMap | undefined {
  return naming === 'zoo' ? SAME : FAMILIES.find(([networks]) => networks.test(entry.name))?.[1][naming];
}

/** Who names the weights of a network. */
export function namings(entry: ZooEntry): Naming[] {
  return NAMINGS.filter((naming) => nameMap(entry, naming) !== undefined);
}

/** The tensors under names that the maps read, each with its name in the file. */
export function plainNames(
  tensors: ReadonlyMap<string, Tensor>,
  naming: Naming,
): Map<string, { readonly key: string; readonly tensor: Tensor }> {
  const plain = new Map<string, { readonly key: string; readonly tensor: Tensor }>();
  const bare = withoutPrefixes([...tensors.keys()]);
  for (const [key, tensor] of tensors) {
    const name = naming === 'keras' ? plainKerasName(key) : (bare.get(key) ?? key);
    plain.set(name, { key, tensor });
  }
  return plain;
}

/**
 * Who named these weights: the naming by which most of them are found in the network, at least one in ten; the earlier of
 * {@link NAMINGS} where two find as many. Names do not tell timm's ports of TensorFlow's weights from its own: `file` does,
 * where it begins with `tf_`.
 * @param ours names of the network's initializers
 */
export function guessNaming(
  entry: ZooEntry,
  tensors: ReadonlyMap<string, Tensor>,
  ours: ReadonlySet<string>,
  file = '',
): Naming | undefined {
  let best: { readonly naming: Naming; readonly found: number } | undefined;
  for (const naming of namings(entry)) {
    const plain = plainNames(tensors, naming);
    const rename = nameMap(entry, naming)?.rename([...plain.keys()]);
    const found = [...plain.keys()].filter((name) => ours.has(rename?.(name)?.name ?? '')).length;
    if (found > (best?.found ?? Math.floor(tensors.size / 10))) best = { naming, found };
  }
  return best?.naming === 'timm' && file.startsWith('tf_') ? 'timm-tf' : best?.naming;
}
