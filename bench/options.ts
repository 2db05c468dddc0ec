import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from '../src/base/errors.js';

/** An option with a value, and one without. */
export const text = { type: 'string' } as const;
export const flag = { type: 'boolean' } as const;

/**
 * The values of a benchmark's options.
 * @param command as `npm run` knows it, for the hint
 * @throws UsageError naming the option
 */
export function readOptions<const T extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  argv: readonly string[],
  options: T,
): ReturnType<typeof parseArgs<{ readonly options: T }>>['values'] {
  try {
    return parseArgs({ args: [...argv], options }).values;
  } catch (cause) {
    throw new UsageError({
      problem: cause instanceof Error ? cause.message : String(cause),
      hint: `npm run ${command} -- --help lists the options`,
      cause,
    });
  }
}
