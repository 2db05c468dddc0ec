import type { Preprocess } from '../../base/preprocess.js';

type Normalization = Pick<Preprocess, 'mean' | 'std'>;

/** The ways in which the publishers shift and scale channels whose values are 0 to 1. */
export const IMAGENET: Normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
/** To -1..1. */
export const INCEPTION: Normalization = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
/** Left as they are. */
export const UNIT: Normalization = { mean: [0, 0, 0], std: [1, 1, 1] };
/** That of OpenAI's CLIP. */
export const CLIP: Normalization = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};
