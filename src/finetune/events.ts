import type { DownloadEvent } from '../zoo/index.js';
import type { Evaluation } from './results.js';

/** What a run tells its listeners (progress bar, metrics file, report). Listeners must not throw. */
export type RunEvent =
  | { readonly type: 'log'; readonly level: 'info' | 'warning'; readonly message: string }
  /** A training phase begins (or goes on, when resumed). */
  | {
      readonly type: 'phase';
      readonly phase: Phase;
      readonly epochs: number;
      readonly steps: number;
      readonly from: number;
    }
  | {
      readonly type: 'step';
      readonly phase: Phase;
      /** From 0. */
      readonly epoch: number;
      readonly epochs: number;
      /** Steps done in this phase, of `steps`. */
      readonly step: number;
      readonly steps: number;
      readonly loss: number;
      /** Of the step's batch, in training mode. */
      readonly top1: number;
      readonly lr: number;
      readonly milliseconds: number;
      readonly imagesPerSecond: number;
      readonly secondsLeft: number;
    }
  | { readonly type: 'evaluating'; readonly what: string; readonly done: number; readonly total: number }
  | {
      readonly type: 'evaluation';
      readonly what: string;
      readonly epoch: number | null;
      readonly result: Evaluation;
    }
  | { readonly type: 'checkpoint'; readonly phase: Phase; readonly step: number; readonly path: string }
  | { readonly type: 'skipped'; readonly file: string; readonly reason: string }
  | DownloadEvent;

export type Phase = 'baseline' | 'control' | 'refocus' | 'train';

export type Listener = (event: RunEvent) => void;
