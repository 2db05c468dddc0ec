import type { Model } from '../../onnx/index.js';
import { OutputComparison, verify } from '../../reparam/index.js';
import type { Evaluation, VerifySummary } from '../results.js';
import type { Workbench } from './workbench.js';

export interface VerifiedRun<Other extends string> {
  readonly training: Evaluation;
  readonly fused: Evaluation;
  /** Other models, evaluated in the same pass. */
  readonly others: Readonly<Partial<Record<Other, Evaluation>>>;
  readonly summary: VerifySummary;
}

/** Samples of random input that the whole-model check runs beside the evaluation set. */
const RANDOM_SAMPLES = 8;

/**
 * Compares the trained state with the fused model on every evaluation image, and kernel by kernel in float64.
 * @param training the form with the weights as they left the engine
 */
export async function verifyOn<Other extends string>(
  bench: Workbench,
  training: Model,
  fused: Model,
  tolerance: number,
  others: Readonly<Partial<Record<Other, Model>>>,
): Promise<VerifiedRun<Other>> {
  const logits = new OutputComparison({ tolerance });
  const outputs = new OutputComparison({ tolerance });
  const models: Readonly<Record<string, Model>> = { training, fused, ...others };
  const results = await bench.evaluate(models, ({ count, outputs: [a, b] }) => {
    logits.add(a.logits, b.logits, count, a.classes);
    outputs.add(a.output, b.output, count, a.classes);
  });
  const random = await verify(training, fused, bench.init.engine, { tolerance, samples: RANDOM_SAMPLES });
  const { training: t, fused: f, ...rest } = results;
  return {
    training: t,
    fused: f,
    others: rest as Partial<Record<Other, Evaluation>>,
    summary: {
      equivalent: logits.equivalent && outputs.equivalent && random.equivalent,
      maxRelative: Math.max(logits.maxRelative, outputs.maxRelative, random.maxRelative),
      maxAbsolute: Math.max(logits.maxAbsolute, outputs.maxAbsolute, random.maxAbsolute),
      top1Agreement: logits.top1Agreement,
      worstNode: random.worstNode,
      samples: logits.samples + random.samples,
    },
  };
}
