import { describe, expect, test } from 'vitest';
import { Interruption } from '../../src/report/interruption.js';
import { step } from './events.js';

describe('Interruption', () => {
  test('before training nothing is lost', () => {
    const error = new Interruption().error();
    expect(error).toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
    expect(error.message).toBe('interrupted; no training step is lost');
  });

  test('counts the steps since the last checkpoint and says how to resume', () => {
    const run = new Interruption();
    run.listener({ type: 'phase', phase: 'refocus', epochs: 1, steps: 10, from: 0 });
    run.listener(step({ step: 4 }));
    run.listener({ type: 'checkpoint', phase: 'refocus', step: 4, path: 'runs/a/checkpoint' });
    run.listener(step({ step: 5 }));
    expect(run.error().message).toBe(
      'interrupted in refocus, step 5 of 10; 1 step is lost\n' +
        '  the state is that of the last completed checkpoint (runs/a/checkpoint); the same command with --resume goes on from there',
    );
    run.listener({ type: 'checkpoint', phase: 'refocus', step: 5, path: 'runs/a/checkpoint' });
    expect(run.error().message).toContain('no step is lost');
  });

  test('a checkpoint of an earlier phase keeps nothing of this one', () => {
    const run = new Interruption();
    run.listener({ type: 'checkpoint', phase: 'control', step: 10, path: 'p' });
    run.listener({ type: 'phase', phase: 'refocus', epochs: 1, steps: 10, from: 0 });
    run.listener(step({ step: 3 }));
    expect(run.error().message).toContain('3 steps are lost');
    expect(run.error().message).toContain('--resume');
  });

  test('a resumed phase counts from where it went on', () => {
    const run = new Interruption();
    run.listener({ type: 'phase', phase: 'refocus', epochs: 1, steps: 10, from: 6 });
    run.listener(step({ step: 8 }));
    expect(run.error().message).toContain('2 steps are lost');
  });

  test('without any checkpoint it says so', () => {
    const run = new Interruption();
    run.listener({ type: 'phase', phase: 'train', epochs: 1, steps: 10, from: 0 });
    run.listener(step({ phase: 'train', step: 2 }));
    expect(run.error().message).toContain('2 steps are lost');
    expect(run.error().message).toContain('begins again');
  });
});
