import type { StepMemory } from '../runtime/index.js';
import type { GroupSummary } from './run/groups.js';

/** Accuracy of a model on an evaluation set; fractions, not per cent. */
export interface Evaluation {
  /** Null for a model without classes, or fewer than five for top5. */
  readonly top1: number | null;
  readonly top5: number | null;
  /** Mean cross-entropy, nats. */
  readonly loss: number;
  readonly images: number;
  /** Images that could not be decoded. */
  readonly skipped: number;
  /** Right top-1 answers. */
  readonly correct: number;
}

export interface VerifySummary {
  readonly equivalent: boolean;
  readonly maxRelative: number;
  readonly maxAbsolute: number;
  readonly top1Agreement: number | null;
  readonly worstNode: string | null;
  readonly samples: number;
  /** Why the models are not equivalent, in words; empty when they are. */
  readonly problems: readonly string[];
}

/** The images of a run. */
export interface DataSummary {
  readonly train: string;
  readonly eval: string;
  /** How the two sets came about. */
  readonly how: string;
  /** Every evaluation image is a training image. */
  readonly coincide: boolean;
  /** Files that could not be read. */
  readonly skipped: readonly string[];
}

/** `report.json`, and what `refocus --json` prints. */
export interface RefocusReport {
  readonly model: string;
  /** What the baseline is: width, size and classes of a zoo network (else null), and who trained it. */
  readonly base: { readonly network: string | null; readonly origin: string };
  readonly data: DataSummary;
  readonly method: string;
  readonly init: string;
  readonly mapKernel: number;
  readonly optimizer: string;
  /** Factors on the learning rate of the maps: as asked for, and the least and the most of all layers. */
  readonly mapLr: { readonly choice: 'auto' | number; readonly least: number; readonly most: number };
  /** How the maps were trained: as asked for, and the number of layers in each form. */
  readonly form: {
    readonly choice: 'auto' | 'explicit' | 'gram';
    readonly gram: number;
    readonly explicit: number;
  };
  readonly seed: number;
  readonly epochs: number;
  readonly device: string;
  readonly engine: string;
  /** Why this device, and why not others; empty where the CPU was asked for. */
  readonly why: readonly string[];
  readonly lowering: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly preprocess: unknown;
  readonly options: unknown;
  /** What `--group` took hold of in the training form. */
  readonly groups: readonly GroupSummary[];
  readonly results: {
    readonly baseline: Evaluation;
    readonly control: Evaluation | null;
    readonly training: Evaluation;
    readonly fused: Evaluation;
  };
  readonly verify: VerifySummary;
  readonly parameters: {
    readonly deployed: number;
    /** As published: with every map. */
    readonly training: number;
    /** What the engine kept for them: less where the Gram form was used. */
    readonly storedState: number;
    readonly frozen: number;
  };
  readonly multAdds: { readonly deployed: number; readonly training: number };
  readonly stepMilliseconds: { readonly median: number; readonly count: number };
  /** What a step of the training form was expected to need, before the first one ran. */
  readonly stepMemory: StepMemory;
  readonly frozen: { readonly tensors: number; readonly sha256Before: string; readonly sha256After: string };
  readonly files: { readonly baseline: string; readonly training: string; readonly fused: string };
  /** What a reader should know before quoting the numbers. */
  readonly notes: readonly string[];
}
