import { InterruptedError } from '../base/errors.js';
import type { Listener, Phase } from '../finetune/events.js';

/** Follows a run, and knows at any moment what stopping it would lose. */
export class Interruption {
  #step: { readonly phase: Phase; readonly step: number; readonly steps: number } | undefined;
  #checkpoint: { readonly phase: Phase; readonly step: number; readonly path: string } | undefined;

  readonly listener: Listener = (event) => {
    if (event.type === 'phase') {
      this.#step = { phase: event.phase, step: event.from, steps: event.steps };
      // A resumed phase begins where its checkpoint was written.
      if (event.from > 0 && this.#checkpoint?.phase !== event.phase)
        this.#checkpoint = { phase: event.phase, step: event.from, path: '' };
    } else if (event.type === 'step') this.#step = event;
    else if (event.type === 'checkpoint') this.#checkpoint = event;
  };

  /** The error a run stopped now ends with. */
  error(): InterruptedError {
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
