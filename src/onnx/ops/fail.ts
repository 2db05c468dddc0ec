import { ModelError } from '../../base/errors.js';
import type { Node } from '../ir/node.js';

/** Refuses a node: `Conv 'stem': what is wrong; expected …; found …`. */
export function refuse(node: Node, problem: string, expected?: string, found?: string): never {
  throw new ModelError({
    problem: `${node.describe()}: ${problem}`,
    ...(expected !== undefined && { expected }),
    ...(found !== undefined && { found }),
  });
}

/** `[N,3,?]`, for messages. */
export function showDims(dims: readonly (number | string | null)[]): string {
  return `[${dims.map((d) => d ?? '?').join(', ')}]`;
}
