import { expect, test } from 'vitest';
import { EnvironmentError, UnsupportedError } from '../../src/base/errors.js';
import { checkMemory } from '../../src/finetune/run/check-memory.js';

const GIB = 2 ** 30;
/** 1 GiB, and a quarter for each image. */
const needs = (batch: number): Promise<number> => Promise.resolve((1 + batch / 4) * GIB);

const refusal = async (batch: number, available: number, of = needs): Promise<string> => {
  const error: unknown = await checkMemory({ batch, needs: of, available }).catch((e) => e);
  if (!(error instanceof EnvironmentError)) throw new Error(`no refusal: ${String(error)}`);
  return error.message;
};

test('what fits passes, to the byte', async () => {
  await checkMemory({ batch: 8, needs, available: 3 * GIB });
  expect(await refusal(8, 3 * GIB - 1)).toMatchInlineSnapshot(`
    "a step of 8 images needs about 3.0 GiB of memory; expected at most the 3.0 GiB that are free
      --batch 7 fits (about 2.8 GiB); --no-memory-check runs it all the same, at the risk that the system ends the process"
  `);
});

test('the largest batch that fits, wherever it lies', async () => {
  for (const fitting of [1, 2, 7, 63, 64, 99, 999])
    expect(await refusal(1000, (1 + fitting / 4) * GIB)).toContain(`--batch ${fitting} fits`);
});

test('no batch fits', async () => {
  expect(await refusal(64, GIB)).toMatch(/no smaller batch fits either: free memory, or use a smaller/);
  expect(await refusal(1, GIB)).toMatch(/a step of 1 image needs/);
});

test('batches too small for a step count as not fitting, other errors are passed on', async () => {
  const few = (least: number) => (batch: number) =>
    batch < least ? Promise.reject(new UnsupportedError({ problem: 'too few' })) : needs(batch);
  expect(await refusal(64, 2 * GIB, few(2))).toContain('--batch 4 fits');
  expect(await refusal(64, 2 * GIB, few(5))).toMatch(/no smaller batch fits/);
  const broken = (batch: number): Promise<number> =>
    batch < 64 ? Promise.reject(new Error('a bug')) : needs(batch);
  await expect(checkMemory({ batch: 64, needs: broken, available: GIB })).rejects.toThrow('a bug');
});
