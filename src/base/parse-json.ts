import type { z } from 'zod';
import { type ErrorFacts, InputError } from './errors.js';

/**
 * Parses JSON that has to have a form. `where` it stands is named in the error; `otherwise` is what is said of JSON of
 * another form, to which what was found is added.
 * @throws InputError
 */
export function parseJson<T>(
  schema: z.ZodType<T>,
  json: string,
  where: string,
  otherwise: Pick<ErrorFacts, 'problem' | 'expected' | 'hint'>,
): T {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new InputError({ problem: `${where} is not JSON`, cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new InputError({
    ...otherwise,
    found: result.error.issues.map((i) => `${i.path.join('.') || '(root)'}: ${i.message}`).join('; '),
  });
}
