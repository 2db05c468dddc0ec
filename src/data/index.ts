/** Data sets, preprocessing, augmentation, loaders. Imports src/base only. */

export { centerCropImage, fiveCrop, mirrorImage, resizeImage, tenCrop } from './crops.js';
export type { Dataset, Source } from './dataset.js';
export { FileDataset, MemoryDataset, SubsetDataset } from './dataset.js';
export { decodeFile, decodeImage } from './decode/decode.js';
export type { Image } from './image.js';
export { withChannels } from './image.js';
export type { Batch, LoaderOptions, Skipped } from './loader.js';
export { batches, Loader } from './loader.js';
export type { OpenOptions, Role } from './open.js';
export { KINDS, openDataset } from './open.js';
export type { TrainEval, TrainEvalOptions } from './pair.js';
export { openTrainEval, splitDataset } from './pair.js';
export type { Interpolation } from './resample.js';
export type { Augment, View } from './view.js';
export { augmentedView, evalView, inputSize, renderView } from './view.js';
