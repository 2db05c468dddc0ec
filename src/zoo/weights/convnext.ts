import { fixedMap, type NameMap } from './naming.js';

/** Stages and the downsampling before them take turns in torchvision's list. */
const stage = (s: string): number => 2 * Number(s) + 1;

const TIMM: NameMap = fixedMap([
  [/^stem\.([01])\.(\w+)$/, 'features.0.$1.$2'],
  [/^stages\.(\d)\.downsample\.([01])\.(\w+)$/, (s, n, v) => `features.${2 * Number(s)}.${n}.${v}`],
  [/^stages\.(\d)\.blocks\.(\d+)\.gamma$/, (s, b) => `features.${stage(s)}.${b}.layer_scale`, 'reshape'],
  [/^stages\.(\d)\.blocks\.(\d+)\.conv_dw\.(\w+)$/, (s, b, v) => `features.${stage(s)}.${b}.block.0.${v}`],
  [/^stages\.(\d)\.blocks\.(\d+)\.norm\.(\w+)$/, (s, b, v) => `features.${stage(s)}.${b}.block.2.${v}`],
  [/^stages\.(\d)\.blocks\.(\d+)\.mlp\.fc1\.(\w+)$/, (s, b, v) => `features.${stage(s)}.${b}.block.3.${v}`],
  [/^stages\.(\d)\.blocks\.(\d+)\.mlp\.fc2\.(\w+)$/, (s, b, v) => `features.${stage(s)}.${b}.block.5.${v}`],
  [/^head\.norm\.(\w+)$/, 'classifier.0.$1'],
  [/^head\.fc\.(\w+)$/, 'classifier.2.$1'],
]);

/** Layers begin with the network's name, as `convnext_tiny_stem_conv`; the stem and each downsampling are models of their own, and
 * what a block is scaled by has no name of its own. */
const KERAS: NameMap = fixedMap(
  [
    [/^.*_stem_conv\.(\w+)$/, 'features.0.0.$1'],
    [/^.*_stem_layernorm\.(\w+)$/, 'features.0.1.$1'],
    [/^.*_downsampling_layernorm_(\d)\.(\w+)$/, (s, v) => `features.${2 * Number(s) + 2}.0.${v}`],
    [/^.*_downsampling_conv_(\d)\.(\w+)$/, (s, v) => `features.${2 * Number(s) + 2}.1.${v}`],
    [
      /^.*_stage_(\d)_block_(\d+)_layer_scale\.\w+$/,
      (s, b) => `features.${stage(s)}.${b}.layer_scale`,
      'reshape',
    ],
    [
      /^.*_stage_(\d)_block_(\d+)_depthwise_conv\.(\w+)$/,
      (s, b, v) => `features.${stage(s)}.${b}.block.0.${v}`,
    ],
    [/^.*_stage_(\d)_block_(\d+)_layernorm\.(\w+)$/, (s, b, v) => `features.${stage(s)}.${b}.block.2.${v}`],
    [
      /^.*_stage_(\d)_block_(\d+)_pointwise_conv_1\.(\w+)$/,
      (s, b, v) => `features.${stage(s)}.${b}.block.3.${v}`,
    ],
    [
      /^.*_stage_(\d)_block_(\d+)_pointwise_conv_2\.(\w+)$/,
      (s, b, v) => `features.${stage(s)}.${b}.block.5.${v}`,
    ],
    [/^.*_head_layernorm\.(\w+)$/, 'classifier.0.$1'],
    [/^.*_head_dense\.(\w+)$/, 'classifier.2.$1'],
  ],
  // Mean and variance of the input's channels: part of our preprocessing.
  { preprocess: 'imagenet', ignored: /_prestem_normalization\./ },
);

export const CONVNEXT = { timm: TIMM, keras: KERAS } as const;
