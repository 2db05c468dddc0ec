import { InterruptedError } from '../base/errors.js';
import type { Listener, Phase } from '../finetune/events.js';
import type { DownloadEvent } from '../zoo/index.js';
import { megabytes } from './format.js';

/** Follows a run, and knows at any moment what stopping it would lose. */
export class Interruption {
  #step: { readonly phase: Phase; readonly step: number; readonly steps: number } | undefined;
  #checkpoint: { readonly phase: Phase; readonly step: number; readonly path: string } | undefined;
  #download: DownloadEvent | undefined;

  readonly listener: Listener = (event) => {
    if (event.type === 'phase') {
      this.#step = { phase: event.phase, step: event.from, steps: event.steps };
      // A resumed phase begins where its checkpoint was written.
      if (event.from > 0 && this.#checkpoint?.phase !== event.phase)
        this.#checkpoint = { phase: event.phase, step: event.from, path: '' };
    } else if (event.type === 'step') this.#step = event;
    else if (event.type === 'checkpoint') this.#checkpoint = event;
    else if (event.type === 'download') this.#download = event;
  };

  /** The error a run stopped now ends with. */
  error(): InterruptedError {
    if (this.#download) return interruptedDownload(this.#download);
    const at = this.#step;
    if (at === undefined) return new InterruptedError({ problem: 'interrupted; no training step is lost' });
    const saved = this.#checkpoint;
    const kept = saved?.phase === at.phase ? saved.step : 0;
    const lost = at.step - kept;
    const where = `interrupted in ${at.phase}, step ${at.step} of ${at.steps}`;
    const place = saved?.path ? ` (${saved.path})` : '';
    return new InterruptedError({
      problem:
        lost === 0
          ? `${where}; no step is lost`
          : `${where}; ${lost} ${lost === 1 ? 'step is' : 'steps are'} lost`,
      hint:
        saved === undefined
          ? 'no checkpoint was written yet: with --resume the run begins again; --checkpoint-every N writes them more often'
          : `the state is that of the last completed checkpoint${place}; the same command with --resume goes on from there`,
    });
  }
}

function interruptedDownload({ what, done, total }: DownloadEvent): InterruptedError {
  return new InterruptedError({
    problem: `interrupted; ${megabytes(done)}${total === null ? '' : ` of ${megabytes(total)}`} of ${what} are in the cache`,
    hint: 'the same command goes on from there',
  });
}
