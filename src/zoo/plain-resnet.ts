/**
 * The plain networks that residual networks are compared with (He et al., 2015, arXiv:1512.03385, table 1 and figure 3): the
 * layers of ResNet-18 and -34 without shortcuts. Names, initialization and width multiplier are ResNet's.
 */
import type { Model } from '../onnx/index.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import { paperFigure, RESNET_PAPER, residualNetwork, stagesOf } from './resnet.js';

export const PLAIN_DEPTHS = [18, 34] as const;
export type PlainDepth = (typeof PLAIN_DEPTHS)[number];

const PUBLISHED_G = { 18: 1.8, 34: 3.6 } as const satisfies Record<PlainDepth, number>;
/** Table 2, which has errors. */
const PERCENT = { 18: 72.06, 34: 71.46 } as const satisfies Record<PlainDepth, number>;
const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function plainNet(depth: PlainDepth, options: ZooOptions = {}): Model {
  const arch = `plain${depth}`;
  checkOptions(arch, ACCEPTS, options);
  return residualNetwork(
    {
      arch,
      stages: stagesOf(depth),
      style: { kind: 'basic', shortcut: 'none', variant: 'v1', lastScale: 1 },
      chosen: {},
    },
    options,
  );
}

export const PLAIN_NETS: readonly ZooEntry[] = PLAIN_DEPTHS.map((depth): ZooEntry => {
  return {
    name: `plain${depth}`,
    family: 'ResNet',
    paper: RESNET_PAPER,
    accepts: ACCEPTS,
    defaults: { width: 1, size: 224, classes: 1000 },
    published: [{ options: {}, ...paperFigure(PUBLISHED_G[depth]) }],
    top1: { percent: PERCENT[depth], source: 'He et al. 2015, arXiv:1512.03385, table 2, ten crops' },
    build: (options) => plainNet(depth, options),
  };
});
