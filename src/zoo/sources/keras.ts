/**
 * Weights of keras.applications, Keras 2 HDF5 files: https://keras.io/api/applications. Checksums, names and counted
 * parameters are those of keras 3.15's own code; top-1 is its documentation's unless said otherwise. The documentation
 * does not say how images were resized before the centre crop: here the shorter side becomes size / 0.875.
 */
import { type Preprocess, presetPreprocess } from '../../base/preprocess.js';
import type { KnownTop1, ZooOptions } from '../entry.js';
import type { Checksum, WeightSource } from './source.js';

const BASE = 'https://storage.googleapis.com/tensorflow/keras-applications/';
/** EfficientNet alone is elsewhere. */
const EFFICIENTNET_BASE = 'https://storage.googleapis.com/keras-applications/';

const DOCUMENTED = 'keras.io/api/applications';

interface KerasFile {
  readonly network: string;
  readonly tag: string;
  readonly options?: ZooOptions;
  readonly url: string;
  readonly checksum?: Checksum;
  readonly preprocess: Preprocess;
  readonly percent?: number;
  readonly source?: string;
  readonly parameters: number;
}

function kerasFile(file: KerasFile): WeightSource {
  const top1: KnownTop1 | undefined =
    file.percent === undefined ? undefined : { percent: file.percent, source: file.source ?? DOCUMENTED };
  return {
    source: 'keras',
    network: file.network,
    tag: file.tag,
    options: file.options ?? {},
    urls: [file.url],
    file: file.url.slice(file.url.lastIndexOf('/') + 1),
    ...(file.checksum && { checksum: file.checksum }),
    preprocess: file.preprocess,
    ...(top1 && { top1 }),
    parameters: file.parameters,
    content: 'weights',
  };
}

const md5 = (hex: string): Checksum => ({ algorithm: 'md5', hex });
const sha256 = (hex: string): Checksum => ({ algorithm: 'sha256', hex });

const VGGS = (
  [
    ['vgg16', '64373286793e3c8b2b4e3219cbf3544b', 71.3, 138357544],
    ['vgg19', 'cbe5617147190e668d6c5d5026f83318', 71.3, 143667240],
  ] as const
).map(([network, hash, percent, parameters]) =>
  kerasFile({
    network,
    tag: network,
    url: `${BASE}${network}/${network}_weights_tf_dim_ordering_tf_kernels.h5`,
    checksum: md5(hash),
    preprocess: presetPreprocess('caffe'),
    percent,
    parameters,
  }),
);

/** Stride in the first 1x1 convolution, as in the paper. */
const RESNETS = (
  [
    ['resnet50', '2cb95161c43110f7111970584f804107', 74.9, 25636712],
    ['resnet101', 'f1aeb4b969a6efcfb50fad2f0c20cfc5', 76.4, 44707176],
    ['resnet152', '100835be76be38e30d865e96f2aaae62', 76.6, 60419944],
  ] as const
).map(([network, hash, percent, parameters]) =>
  kerasFile({
    network,
    tag: network,
    options: { variant: 'v1' },
    url: `${BASE}resnet/${network}_weights_tf_dim_ordering_tf_kernels.h5`,
    checksum: md5(hash),
    preprocess: presetPreprocess('caffe'),
    percent,
    parameters,
  }),
);

const DENSENETS = (
  [
    ['densenet121', '9d60b8095a5708f2dcce2bca79d332c7', 75.0, 8062504],
    ['densenet169', 'd699b8f76981ab1b30698df4c175e90b', 76.2, 14307880],
    ['densenet201', '1ceb130c1ea1b78c3bf6114dbdfd8807', 77.3, 20242984],
  ] as const
).map(([network, hash, percent, parameters]) =>
  kerasFile({
    network,
    tag: network,
    url: `${BASE}densenet/${network}_weights_tf_dim_ordering_tf_kernels.h5`,
    checksum: md5(hash),
    preprocess: presetPreprocess('imagenet'),
    percent,
    parameters,
  }),
);

/** The authors' table of checkpoints, which Keras took over. */
const MOBILENETV1_TABLE = 'tensorflow/models, research/slim/nets/mobilenet_v1.md';

const MOBILENETV1S = (
  [
    [1, '1_0', 70.4, 4253864, DOCUMENTED],
    [0.75, '7_5', 68.4, 2601976, MOBILENETV1_TABLE],
    [0.5, '5_0', 63.3, 1342536, MOBILENETV1_TABLE],
    [0.25, '2_5', 49.8, 475544, MOBILENETV1_TABLE],
  ] as const
).map(([width, text, percent, parameters, source]) =>
  kerasFile({
    network: 'mobilenetv1',
    tag: `mobilenet_${text}_224`,
    options: { width },
    url: `${BASE}mobilenet/mobilenet_${text}_224_tf.h5`,
    preprocess: presetPreprocess('tf'),
    percent,
    source,
    parameters,
  }),
);

const MOBILENETV2_TABLE = 'tensorflow/models, research/slim/nets/mobilenet/README.md';

const MOBILENETV2S = (
  [
    [1, '1.0', 71.3, 3538984, DOCUMENTED],
    [1.4, '1.4', 75.0, 6156712, MOBILENETV2_TABLE],
    [1.3, '1.3', 74.4, 5431048, MOBILENETV2_TABLE],
    [0.75, '0.75', 69.8, 2663064, MOBILENETV2_TABLE],
    [0.5, '0.5', 65.4, 1987224, MOBILENETV2_TABLE],
    [0.35, '0.35', 60.3, 1691208, MOBILENETV2_TABLE],
  ] as const
).map(([width, text, percent, parameters, source]) =>
  kerasFile({
    network: 'mobilenetv2',
    tag: `mobilenet_v2_${text}_224`,
    options: { width },
    url: `${BASE}mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_${text}_224.h5`,
    preprocess: presetPreprocess('tf'),
    percent,
    source,
    parameters,
  }),
);

/** Width 1 only: below it Keras keeps the last layers wide, as the authors do, and the zoo's narrow like torchvision's. */
const MOBILENETV3_TABLE = 'keras 3.15, documentation of mobilenet_v3';

const MOBILENETV3S = (
  [
    ['large', '59e551e166be033d707958cf9e29a6a7', 75.6, 5507432],
    ['small', '8768d4c2e7dee89b9d02b2d03d65d862', 68.1, 2554968],
  ] as const
).map(([size, hash, percent, parameters]) =>
  kerasFile({
    network: `mobilenetv3${size}`,
    tag: `mobilenet_v3_${size}_224_1.0`,
    url: `${BASE}mobilenet_v3/weights_mobilenet_v3_${size}_224_1.0_float.h5`,
    checksum: md5(hash),
    preprocess: presetPreprocess('tf'),
    percent,
    source: MOBILENETV3_TABLE,
    parameters,
  }),
);

const EFFICIENTNETS = (
  [
    ['b0', '902e53a9f72be733fc0bcb005b3ebbac', 224, 77.1, 5330571],
    ['b1', '1d254153d4ab51201f1646940f018540', 240, 79.1, 7856239],
    ['b2', 'b15cce36ff4dcbd00b6dd88e7857a6ad', 260, 80.1, 9177569],
    ['b3', 'ffd1fdc53d0ce67064dc6a9c7960ede0', 300, 81.6, 12320535],
    ['b4', '18c95ad55216b8f92d7e70b3a046e2fc', 380, 82.9, 19466823],
    ['b5', 'ace28f2a6363774853a83a0b21b9421a', 456, 83.6, 30562527],
    ['b6', '165f6e37dce68623721b423839de8be5', 528, 84.0, 43265143],
    ['b7', '8c03f828fec3ef71311cd463b6759d99', 600, 84.3, 66658687],
  ] as const
).map(([name, hash, size, percent, parameters]) =>
  kerasFile({
    network: `efficientnet${name}`,
    tag: `efficientnet${name}`,
    url: `${EFFICIENTNET_BASE}efficientnet${name}.h5`,
    checksum: md5(hash),
    preprocess: presetPreprocess('imagenet', size),
    percent,
    parameters,
  }),
);

const CONVNEXTS = (
  [
    ['tiny', '8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff', 28589128],
    ['small', 'ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c', 50223688],
    ['base', '52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6', 88591464],
  ] as const
).map(([name, hash, parameters]) =>
  kerasFile({
    network: `convnext${name}`,
    tag: `convnext_${name}`,
    url: `${BASE}convnext/convnext_${name}.h5`,
    checksum: sha256(hash),
    preprocess: presetPreprocess('imagenet'),
    parameters,
  }),
);

export const KERAS: readonly WeightSource[] = [
  ...VGGS,
  ...RESNETS,
  ...DENSENETS,
  ...MOBILENETV1S,
  ...MOBILENETV2S,
  ...MOBILENETV3S,
  ...EFFICIENTNETS,
  ...CONVNEXTS,
];
