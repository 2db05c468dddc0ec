import { type Preprocess, presetPreprocess } from '../base/preprocess.js';

/** How the source of a network's weights cuts its images. */
export interface ImageCut {
  /** Side of the window that the network was trained for or evaluated with, pixels. */
  readonly size: number;
  /** Shorter side before the cut. */
  readonly resize: number;
  readonly interpolation: Preprocess['interpolation'];
}

/** ImageNet's mean and standard deviation, with a cut of these proportions for images of `size` pixels. */
export function imagenetPreprocess(size: number, cut: ImageCut): Preprocess {
  const resize = Math.round((size * cut.resize) / cut.size);
  return { ...presetPreprocess('imagenet', size), resize, interpolation: cut.interpolation };
}
