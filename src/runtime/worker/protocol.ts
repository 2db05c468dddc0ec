import type { ErrorFacts } from '../../base/errors.js';
import type { DataType } from '../../onnx/index.js';
import type { Device, StateBinding } from '../engine.js';

/**
 * What the main thread and the runtime's worker say to each other. Everything here survives a structured clone;
 * buffers are transferred. The union is closed: a new call does not compile until both sides know it.
 */

/** A tensor on its way: little-endian elements that fill `buffer` exactly. */
export interface WireTensor {
  readonly dataType: DataType;
  readonly dims: readonly number[];
  readonly buffer: ArrayBuffer;
}

export type TensorSpec = Pick<WireTensor, 'dataType' | 'dims'>;

export type NamedTensors = readonly (readonly [name: string, tensor: WireTensor])[];

/** The model: its bytes, or the path of a file for models too large for one buffer. */
export type ModelSource =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly path: string };

/** How the runtime's WebGPU provider works. The numbers are the same but for rounding. */
export interface WebgpuOptions {
  /** Order of the axes in which it convolves and pools; tensors are transposed where they come otherwise. Default: NHWC. */
  readonly layout?: 'NCHW' | 'NHWC';
  /** What of each dispatch is checked before it is made. Default: basic. */
  readonly validation?: 'disabled' | 'wgpuOnly' | 'basic' | 'full';
}

export interface OpenOptions {
  readonly threads: number;
  readonly spinning: boolean;
  readonly optimization: 'all' | 'none';
  /** Default: `cpu`. */
  readonly device?: Device;
  /** Outputs that stay on the device. Default: none. */
  readonly keep?: readonly string[];
  /** Beginning of the name of the file for the session's profile. Default: there is none. */
  readonly profile?: string;
  readonly webgpu?: WebgpuOptions;
}

/** An output that the runtime's binding refuses to return, which ends a run when all tensors are filled. */
export interface RefusedOutput {
  readonly output: string;
  /** The file of a model that has such an output alone, and an input `x` float32 [1]. */
  readonly probe: Uint8Array;
  /** The fetched outputs that are not state: what a run is to fill beside it. */
  readonly filled: readonly (readonly [name: string, spec: TensorSpec])[];
}

export interface SessionNames {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Each call with what it asks and what it answers. */
export interface Calls {
  open: {
    ask: { readonly session: number; readonly source: ModelSource; readonly options: OpenOptions };
    answer: SessionNames;
  };
  /** Makes an open session a step session; its state is zeros until it is written. */
  state: {
    ask: {
      readonly session: number;
      readonly bindings: readonly StateBinding[];
      readonly specs: readonly (readonly [name: string, spec: TensorSpec])[];
      readonly fetch: readonly string[];
      /** Inputs whose state a step may write over while it runs. */
      readonly overwritten: readonly string[];
      /** Default: none. */
      readonly refused?: RefusedOutput | undefined;
    };
    answer: null;
  };
  run: {
    ask: { readonly session: number; readonly feeds: NamedTensors; readonly fetch: readonly string[] };
    answer: NamedTensors;
  };
  step: {
    ask: { readonly session: number; readonly feeds: NamedTensors };
    answer: NamedTensors;
  };
  readState: { ask: { readonly session: number }; answer: NamedTensors };
  writeState: { ask: { readonly session: number; readonly state: NamedTensors }; answer: null };
  release: { ask: { readonly session: number }; answer: null };
}

export type CallKind = keyof Calls;

export type Request = {
  [K in CallKind]: { readonly kind: K; readonly id: number } & Calls[K]['ask'];
}[CallKind];

export type Answer = {
  [K in CallKind]: { readonly kind: K; readonly id: number; readonly answer: Calls[K]['answer'] };
}[CallKind];

/** What went wrong in the worker: the runtime's own words. */
export interface Failure {
  readonly kind: 'failure';
  readonly id: number;
  readonly message: string;
  readonly stack: string | undefined;
}

/** The first message of a worker: the runtime is loaded, or cannot be. */
export type Greeting =
  | { readonly kind: 'ready'; readonly version: string; readonly backends: readonly Backend[] }
  | { readonly kind: 'unavailable'; readonly facts: Omit<ErrorFacts, 'cause'> };

/** An execution provider that the installed runtime knows; `bundled`: its library came with the package. */
export interface Backend {
  readonly name: string;
  readonly bundled: boolean;
}

export type Message = Greeting | Answer | Failure;

/**
 * Cells of the shared flags. Ending a thread while it is inside the runtime's native code aborts the whole process
 * (`terminate called after throwing an instance of 'Napi::Error'`), so both sides agree on who may do what: the worker
 * raises BUSY before it enters native code and then looks at CLOSING; the main thread raises CLOSING and then waits
 * until BUSY is down.
 */
export const FLAG = { BUSY: 0, CLOSING: 1, COUNT: 2 } as const;

export interface WorkerStart {
  readonly flags: SharedArrayBuffer;
}
