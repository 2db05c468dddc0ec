import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { progressListener } from '../../src/report/progress.js';
import { evaluation, step } from './events.js';

class Screen extends Writable {
  readonly isTTY: boolean;
  readonly columns = 200;
  text = '';

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

describe('without a terminal', () => {
  test('a line at the start, every ten seconds, at the end of an epoch and at the end', () => {
    const screen = new Screen(false);
    let now = 0;
    const { listener, close } = progressListener(screen, () => now);
    listener({ type: 'phase', phase: 'refocus', epochs: 2, steps: 40, from: 0 });
    for (let i = 1; i <= 40; i++) {
      now += 1000;
      listener(step({ step: i, steps: 40, epoch: i <= 20 ? 0 : 1, secondsLeft: 40 - i }));
    }
    listener(evaluation('fused'));
    close();
    const lines = screen.text.trimEnd().split('\n');
    expect(lines[0]).toBe('refocus: 2 epochs, 40 steps');
    expect(lines.slice(1, -1).map((l) => l.split(':')[0])).toEqual([
      'refocus 10/40',
      'refocus 20/40',
      'refocus 30/40',
      'refocus 40/40',
    ]);
    expect(lines[1]).toBe('refocus 10/40: epoch 1/2, loss 1.2346, top-1 50.00 %, 640 images/s, 30 s left');
    expect(lines.at(-1)).toBe('fused: top-1 91.25 %, top-5 99.70 %, loss 0.2841 (1000 images)');
  });

  test('short epochs: the last step of each is shown even when time has not passed', () => {
    const screen = new Screen(false);
    const { listener } = progressListener(screen, () => 0);
    listener({ type: 'phase', phase: 'train', epochs: 2, steps: 6, from: 0 });
    for (let i = 1; i <= 6; i++) listener(step({ phase: 'train', step: i, steps: 6, epoch: i <= 3 ? 0 : 1 }));
    expect(screen.text.match(/train \d\/6/g)).toEqual(['train 3/6', 'train 6/6']);
  });

  test('a resumed phase says where it goes on; warnings and skipped files are told', () => {
    const screen = new Screen(false);
    const { listener } = progressListener(screen, () => 0);
    listener({ type: 'phase', phase: 'control', epochs: 1, steps: 9, from: 4 });
    listener({ type: 'log', level: 'warning', message: 'careful' });
    listener({ type: 'log', level: 'info', message: 'hello' });
    listener({ type: 'skipped', file: 'a.jpg', reason: 'truncated' });
    listener({ type: 'checkpoint', phase: 'control', step: 5, path: 'x' });
    listener({
      type: 'evaluation',
      what: 'control',
      epoch: 3,
      result: { top1: null, top5: null, loss: 1, images: 2, skipped: 1, correct: 0 },
    });
    expect(screen.text.split('\n')).toEqual([
      'control: 1 epoch, 9 steps, going on from step 4',
      'warning: careful',
      'hello',
      'warning: skipped a.jpg: truncated',
      'control after epoch 3: loss 1.0000 (2 images, 1 skipped)',
      '',
    ]);
  });
});

describe('on a terminal', () => {
  test('one bar with step, loss, accuracy, speed and time left; lines stand above it', () => {
    const screen = new Screen(true);
    const { listener, close } = progressListener(screen);
    listener({ type: 'phase', phase: 'refocus', epochs: 2, steps: 10, from: 0 });
    listener(step({ step: 4 }));
    listener({ type: 'log', level: 'info', message: 'a line' });
    listener(step({ step: 5 }));
    listener({ type: 'evaluating', what: 'fused', done: 3, total: 8 });
    close();
    expect(screen.text).toContain(
      '4/10  epoch 1/2, loss 1.2346, top-1 50.00 %, 640 images/s, 1 min 15 s left',
    );
    expect(screen.text).toContain('a line\n');
    expect(screen.text).toContain('evaluating fused');
    expect(screen.text).toContain('3/8');
    // The cursor comes back.
    expect(screen.text.lastIndexOf('\x1b[?25h')).toBeGreaterThan(screen.text.lastIndexOf('\x1b[?25l'));
  });
});
