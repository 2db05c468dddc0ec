import { byteSize } from '../../onnx/ir/dtype.js';
import { sizeOf } from '../../onnx/ir/tensor.js';
import type { RefusedOutput } from '../worker/protocol.js';
import type { Ort } from './load.js';
import type { StepState, Tensors } from './state/state.js';
import { toOrt } from './tensors.js';

/** One run of a step graph; gives the fetched outputs that are not state, and those that the binding made for state. */
export type RunStep = (
  session: Ort.InferenceSession,
  feeds: Tensors,
  state: StepState['fetches'],
) => Promise<Tensors>;

/** Runs of which the binding makes the results. @param fetch outputs that are wanted beside the state */
export function returningRun(fetch: readonly string[]): RunStep {
  const wanted = Object.fromEntries(fetch.map((name) => [name, null]));
  return (session, feeds, state) => session.run(feeds, { ...wanted, ...state });
}

/**
 * Runs that fill tensors, and of which the binding makes no results (see `refused-output.ts`).
 * @returns undefined where this version of the binding does not refuse
 */
export async function fillingRun(
  ort: typeof Ort,
  { output, probe, filled }: RefusedOutput,
): Promise<RunStep | undefined> {
  const words = await refusalOf(ort, probe);
  if (words === undefined) return undefined;
  return async (session, feeds, state) => {
    const fetched = emptyTensors(ort, filled);
    try {
      await session.run(feeds, { [output]: null, ...fetched, ...state });
    } catch (error) {
      if (!(error instanceof Error && error.message === words)) throw error;
    }
    return fetched;
  };
}

/** What the binding says when it refuses an output; undefined when it returns it. */
async function refusalOf(ort: typeof Ort, probe: Uint8Array): Promise<string | undefined> {
  const session = await ort.InferenceSession.create(probe, { logSeverityLevel: 4 });
  try {
    await session.run({ x: new ort.Tensor('float32', new Float32Array(1), [1]) });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : undefined;
  } finally {
    await session.release();
  }
}

function emptyTensors(ort: typeof Ort, specs: RefusedOutput['filled']): Record<string, Ort.Tensor> {
  return Object.fromEntries(
    specs.map(([name, { dataType, dims }]) => {
      const buffer = new ArrayBuffer(byteSize(dataType, sizeOf(dims)));
      return [name, toOrt(ort, { dataType, dims, buffer })];
    }),
  );
}
