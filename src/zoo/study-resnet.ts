/**
 * Residual networks (He et al., 2015, arXiv:1512.03385) as studies of them write the blocks in PyTorch: every block
 * registers a projection, whether or not it is applied. In the networks of basic blocks it is applied where the stride is 2
 * (shortcut B); bottlenecks, whose first block also changes the dims, all apply theirs (C). The stride of a bottleneck is in
 * its first 1x1 convolution, and the max pool of the stem has no padding but a last window that ends outside the map.
 *
 * The projections that are not applied are initializers that no node reads (metadata `reparam.unused-parameters`): they are
 * saved and loaded, and cannot be trained. Names, initialization and width multiplier are ResNet's.
 */
import { UsageError } from '../base/errors.js';
import type { Model } from '../onnx/index.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import {
  blockKindOf,
  RESNET_DEPTHS,
  RESNET_PAPER,
  type ResNetDepth,
  residualNetwork,
  stagesOf,
} from './resnet.js';

const ACCEPTS = ['width', 'size', 'classes', 'seed', 'shortcut', 'zeroGamma'] as const;
const DEFAULT_SHORTCUT = { basic: 'B', bottleneck: 'C' } as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function studyResNet(depth: ResNetDepth, options: ZooOptions = {}): Model {
  const arch = `studyresnet${depth}`;
  const kind = blockKindOf(depth);
  checkOptions(arch, ACCEPTS, options);
  const { shortcut = DEFAULT_SHORTCUT[kind], zeroGamma = false } = options;
  if (shortcut !== 'B' && shortcut !== 'C')
    throw new UsageError({ problem: `${arch}: shortcut`, expected: 'B or C', found: `${String(shortcut)}` });
  return residualNetwork(
    {
      arch,
      stages: stagesOf(depth),
      style: { kind, shortcut, registerProjections: true, variant: 'v1', lastScale: zeroGamma ? 0 : 1 },
      pool: { kernel: 3, stride: 2, ceil: true },
      chosen: { shortcut, zeroGamma },
    },
    options,
  );
}

export const STUDY_RESNETS: readonly ZooEntry[] = RESNET_DEPTHS.map((depth): ZooEntry => {
  return {
    name: `studyresnet${depth}`,
    family: 'ResNet',
    paper: RESNET_PAPER,
    accepts: ACCEPTS,
    defaults: {
      width: 1,
      size: 224,
      classes: 1000,
      shortcut: DEFAULT_SHORTCUT[blockKindOf(depth)],
      zeroGamma: false,
    },
    published: [],
    build: (options) => studyResNet(depth, options),
  };
});
