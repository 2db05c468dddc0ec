import { z } from 'zod';
import { parseJson } from '../base/parse-json.js';
import type { Model } from '../onnx/index.js';

/** Where a zoo model's architecture, options and seed stand: JSON in `metadata_props`. */
export const ZOO_KEY = 'reparam.zoo';
/** `false` while weights are random; `refocus` refuses such a base. Whoever trains the model sets `true`. */
export const TRAINED_KEY = 'reparam.trained';
/** Where weights come from that were not trained here: JSON of the file, who named or publishes them, its SHA-256. */
export const WEIGHTS_KEY = 'reparam.weights';

const provenanceSchema = z.object({
  arch: z.string(),
  width: z.number().positive(),
  size: z.number().int().positive(),
  classes: z.number().int().positive(),
  seed: z.number().int(),
  stem: z.enum(['imagenet', 'cifar']).optional(),
  shortcut: z.enum(['A', 'B', 'C']).optional(),
  variant: z.enum(['v1', 'v1.5']).optional(),
  zeroGamma: z.boolean().optional(),
  aux: z.boolean().optional(),
});

/** What a zoo model was built from; the same values build it again. */
export type Provenance = z.infer<typeof provenanceSchema>;

/** The provenance of a model built here, undefined for others. @throws InputError when the entry is damaged */
export function zooProvenance(model: Model): Provenance | undefined {
  const text = model.metadata.get(ZOO_KEY);
  if (text === undefined) return undefined;
  const where = `metadata ${ZOO_KEY} of ${model.source ?? 'the model'}`;
  return parseJson(provenanceSchema, text, where, { problem: `${where} does not describe a zoo model` });
}

/** Whether the model says that its weights are random. A model from elsewhere says nothing and counts as trained. */
export function isUntrained(model: Model): boolean {
  return model.metadata.get(TRAINED_KEY) === 'false';
}

/** Notes that the weights are no longer random. */
export function markTrained(model: Model): void {
  model.metadata.set(TRAINED_KEY, 'true');
}
