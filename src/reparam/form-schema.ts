import { z } from 'zod';
import type { Node, Value } from '../onnx/index.js';

/** Key of the training form's description in the model's `metadata_props`. */
export const FORM_KEY = 'reparam.form';

const dims = z.array(z.number().int().positive());

/** What the file says about one replaced kernel. Names are those of the training form, unless said otherwise. */
const refConvRecord = z
  .object({
    method: z.literal('refconv'),
    /** Prefix of the names of everything that was added. */
    layer: z.string(),
    /** The kernel's name before the replacement; the value that now holds W_t bears it. */
    weight: z.string(),
    /** Nodes that use the kernel; '' for one without a name. */
    convs: z.array(z.string()),
    /** Initializer with W_b, frozen. */
    base: z.string(),
    /** Initializer with W_r, trained. */
    map: z.string(),
    groups: z.number().int().positive(),
    mapKernel: dims,
    init: z.enum(['xavier', 'zero']),
    seed: z.number().int(),
    dataType: z.string(),
    dims,
    /** Of the little-endian elements of W_b, as they were in the checkpoint. */
    baseSha256: z.string().regex(/^[0-9a-f]{64}$/),
    /** Where the kernel stood among the graph's inputs, in a file that lists initializers there. */
    inputIndex: z.number().int().nonnegative().optional(),
  })
  .strict();

export const formSchema = z
  .object({
    version: z.literal(1),
    layers: z.array(z.discriminatedUnion('method', [refConvRecord])),
    /** The file's IR version, where the training form needs a later one. */
    irVersion: z.number().int().positive().optional(),
  })
  .strict();

export type FormRecord = z.infer<typeof formSchema>;
export type LayerRecord = FormRecord['layers'][number];
export type MethodName = LayerRecord['method'];

/** One replaced kernel of a training form, found in the graph. */
export interface FormLayer {
  readonly method: MethodName;
  readonly layer: string;
  /** The kernel's name in the deployed model. */
  readonly weight: string;
  /** Computes W_t; the convolutions read it. */
  readonly transformed: Value;
  readonly convs: readonly Node[];
  /** W_b, [C_out, C_in/g, k…]. */
  readonly base: Value;
  /** W_r, [n, n/G, m…]. */
  readonly map: Value;
  readonly groups: number;
  /** m per spatial axis. */
  readonly mapKernel: readonly number[];
  /** Constants that training must not change: W_b, and copies of it that another tool may have made. */
  readonly frozen: readonly Value[];
  /** What the file said; undefined when the description was lost and the layer was recovered from the graph. */
  readonly record: LayerRecord | undefined;
}
