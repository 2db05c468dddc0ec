import { memoryText } from '../../base/bytes.js';
import { EnvironmentError, UnsupportedError } from '../../base/errors.js';

export interface MemoryCheck {
  /** Images of the step. */
  readonly batch: number;
  /** What a step of so many images needs, bytes. May throw UnsupportedError where there is none of so few. */
  readonly needs: (batch: number) => Promise<number>;
  /** What there is, bytes. */
  readonly available: number;
}

/**
 * Whether a step fits into the memory there is.
 * @throws EnvironmentError with the largest batch that fits, when it does not
 */
export async function checkMemory({ batch, needs, available }: MemoryCheck): Promise<void> {
  const need = await needs(batch);
  if (need <= available) return;
  const fitting = await largestFitting({ batch, needs, available });
  const anyway = '--no-memory-check runs it all the same, at the risk that the system ends the process';
  throw new EnvironmentError({
    problem: `a step of ${batch} ${batch === 1 ? 'image' : 'images'} needs about ${memoryText(need)} of memory`,
    expected: `at most the ${memoryText(available)} that are free`,
    hint:
      fitting === undefined
        ? `no smaller batch fits either: free memory, or use a smaller network or smaller images; ${anyway}`
        : `--batch ${fitting.batch} fits (about ${memoryText(fitting.need)}); ${anyway}`,
  });
}

/** The largest batch below the given one that fits; the need grows with the batch. */
async function largestFitting({
  batch,
  needs,
  available,
}: MemoryCheck): Promise<{ readonly batch: number; readonly need: number } | undefined> {
  let found: { readonly batch: number; readonly need: number } | undefined;
  let [low, high] = [1, batch - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const need = await needOf(middle, needs);
    if (need === undefined) low = middle + 1;
    else if (need <= available) {
      found = { batch: middle, need };
      low = middle + 1;
    } else high = middle - 1;
  }
  return found;
}

/** Undefined: too few images for a step, such as one where batch statistics need two. */
async function needOf(batch: number, needs: MemoryCheck['needs']): Promise<number | undefined> {
  try {
    return await needs(batch);
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}
