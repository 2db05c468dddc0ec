import { SingleBar } from 'cli-progress';
import type { Listener, RunEvent } from '../finetune/events.js';
import type { Evaluation } from '../finetune/results.js';
import type { DownloadEvent } from '../zoo/index.js';
import { duration, megabytes, percent } from './format.js';

/** Where progress is shown: standard error, or a stand-in. */
export interface ProgressStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

export interface Progress {
  readonly listener: Listener;
  /** Takes the bar away and gives the cursor back. */
  readonly close: () => void;
}

type Step = Extract<RunEvent, { type: 'step' }>;

/** Seconds between two lines where there is no terminal. */
const LINE_SECONDS = 10;

/** Shows a run as it goes: a bar on a terminal, else a line every ten seconds and at the end of each epoch. */
export function progressListener(
  stream: ProgressStream,
  clock: () => number = () => performance.now(),
): Progress {
  return stream.isTTY ? barProgress(stream, clock) : lineProgress(stream, clock);
}

/** How fast a file comes. */
class Rate {
  readonly #clock: () => number;
  #first: { readonly what: string; readonly done: number; readonly at: number } | undefined;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** `12.30 MB of 97.78 MB, 5.20 MB/s, 17 s left`. */
  text({ what, done, total }: DownloadEvent): string {
    if (this.#first?.what !== what) this.#first = { what, done, at: this.#clock() };
    const seconds = (this.#clock() - this.#first.at) / 1000;
    const speed = (done - this.#first.done) / seconds;
    const parts = [`${megabytes(done)}${total === null ? '' : ` of ${megabytes(total)}`}`];
    if (seconds >= 1) parts.push(`${megabytes(speed)}/s`);
    if (seconds >= 1 && total !== null && speed > 0) parts.push(`${duration((total - done) / speed)} left`);
    return parts.join(', ');
  }
}

function stepText(e: Step): string {
  return [
    `epoch ${e.epoch + 1}/${e.epochs}`,
    `loss ${e.loss.toFixed(4)}`,
    `top-1 ${percent(e.top1)}`,
    `${e.imagesPerSecond.toFixed(e.imagesPerSecond < 10 ? 1 : 0)} images/s`,
    `${duration(e.secondsLeft)} left`,
  ].join(', ');
}

/** `fused: top-1 91.20 %, top-5 99.70 %, loss 0.2841 (512 images)`. */
export function evaluationText(what: string, epoch: number | null, r: Evaluation): string {
  const parts = [
    ...(r.top1 === null ? [] : [`top-1 ${percent(r.top1)}`]),
    ...(r.top5 === null ? [] : [`top-5 ${percent(r.top5)}`]),
    `loss ${r.loss.toFixed(4)}`,
  ];
  const skipped = r.skipped > 0 ? `, ${r.skipped} skipped` : '';
  return `${what}${epoch === null ? '' : ` after epoch ${epoch}`}: ${parts.join(', ')} (${r.images} images${skipped})`;
}

/** The events both forms show as a line of their own. */
function lineOf(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'log':
      return event.level === 'warning' ? `warning: ${event.message}` : event.message;
    case 'phase': {
      const length = `${event.epochs} ${event.epochs === 1 ? 'epoch' : 'epochs'}, ${event.steps} steps`;
      return `${event.phase}: ${length}${event.from > 0 ? `, going on from step ${event.from}` : ''}`;
    }
    case 'evaluation':
      return evaluationText(event.what, event.epoch, event.result);
    case 'skipped':
      return `warning: skipped ${event.file}: ${event.reason}`;
    case 'step':
    case 'evaluating':
    case 'checkpoint':
    case 'download':
      return undefined;
    default:
      event satisfies never;
      return undefined;
  }
}

function lineProgress(stream: ProgressStream, clock: () => number): Progress {
  let last = Number.NEGATIVE_INFINITY;
  let before: Step | undefined;
  const say = (line: string): void => {
    stream.write(`${line}\n`);
    last = clock();
  };
  const rate = new Rate(clock);
  const sayStep = (e: Step): void => say(`${e.phase} ${e.step}/${e.steps}: ${stepText(e)}`);
  return {
    listener: (event) => {
      const line = lineOf(event);
      if (line !== undefined) say(line);
      else if (event.type === 'step') {
        // The last step of an epoch is known when the next epoch begins, or when the phase is over.
        if (before && before.phase === event.phase && before.epoch !== event.epoch) sayStep(before);
        before = event;
        if (event.step === event.steps || clock() - last >= 1000 * LINE_SECONDS) {
          sayStep(event);
          before = undefined;
        }
      } else if (event.type === 'evaluating' && clock() - last >= 1000 * LINE_SECONDS)
        say(`evaluating ${event.what}: ${event.done}/${event.total}`);
      else if (
        event.type === 'download' &&
        (event.done === event.total || clock() - last >= 1000 * LINE_SECONDS)
      )
        say(`downloading ${event.what}: ${rate.text(event)}`);
    },
    close: () => undefined,
  };
}

function barProgress(stream: ProgressStream, clock: () => number): Progress {
  const rate = new Rate(clock);
  let bar: { readonly what: string; readonly bar: SingleBar } | undefined;
  const stop = (): void => {
    bar?.bar.stop();
    bar = undefined;
  };
  const show = (
    what: string,
    done: number,
    total: number,
    text: string,
    counts = '{value}/{total}  ',
  ): void => {
    if (bar?.what !== what) {
      stop();
      bar = {
        what,
        bar: new SingleBar({
          format: `${what} {bar} ${counts}{text}`,
          stream,
          hideCursor: true,
          clearOnComplete: true,
          barsize: 24,
          barCompleteChar: '█',
          barIncompleteChar: '░',
          fps: 5,
          gracefulExit: false,
          emptyOnZero: true,
        }),
      };
      bar.bar.start(total, done, { text });
    } else bar.bar.update(done, { text });
  };
  return {
    listener: (event) => {
      const line = lineOf(event);
      if (line !== undefined) {
        stop();
        stream.write(`${line}\n`);
      } else if (event.type === 'step') show(event.phase, event.step, event.steps, stepText(event));
      else if (event.type === 'evaluating') show(`evaluating ${event.what}`, event.done, event.total, '');
      else if (event.type === 'download')
        show(`downloading ${event.what}`, event.done, event.total ?? event.done, rate.text(event), '');
    },
    close: stop,
  };
}
