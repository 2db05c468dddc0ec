/** The part of TensorFlow.js that this engine uses; the three packages offer the same. Types only: nothing is loaded. */
import type * as tfjs from '@tensorflow/tfjs';

export type Tf = typeof tfjs;
export type TfTensor = tfjs.Tensor;
export type TfTensor2D = tfjs.Tensor2D;
export type TfTensor4D = tfjs.Tensor4D;
