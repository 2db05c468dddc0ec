import { afterAll, beforeAll } from 'vitest';
import { channelBlock, createEngine, type Engine } from '../../src/runtime/index.js';
import { checkCases, type LoweringCase } from './lowering-cases.js';

/** Starts an engine for a test file; gives what compares cases on it. Without blocked kernels they are compared in float64 alone. */
export function blockedCheck(): (cases: readonly LoweringCase[]) => Promise<void> {
  let engine: Engine | undefined;
  let block: number | undefined;
  beforeAll(async () => {
    engine = await createEngine({ threads: 2 });
    block = await channelBlock(engine);
  });
  afterAll(() => engine?.close());
  return async (cases) => {
    if (!engine) throw new Error('no engine');
    await checkCases(cases, { engine, block });
  };
}
