import { z } from 'zod';
import { parseJson } from './parse-json.js';

/** An output that only the training loss judges, and its weight in it. */
export interface AuxiliaryOutput {
  readonly output: string;
  readonly weight: number;
}

/** Where a model says which of its outputs are auxiliary: JSON in `metadata_props`, a list of {@link AuxiliaryOutput}. */
export const AUXILIARY_KEY = 'reparam.auxiliary';

const auxiliarySchema = z.array(z.object({ output: z.string(), weight: z.number().positive() }).strict());

/** Parses the JSON of a model's metadata. `where` is named in the error. @throws InputError */
export function parseAuxiliary(json: string, where: string): readonly AuxiliaryOutput[] {
  return parseJson(auxiliarySchema, json, where, {
    problem: `${where} is no list of auxiliary outputs`,
    expected: '[{"output": NAME, "weight": a number above 0}, …]',
  });
}
