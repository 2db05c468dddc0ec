import type { MethodName } from '../form-schema.js';
import type { Method } from './method.js';
import { refconv } from './refconv.js';

/** Every method by its name. A new method is one file and one line here; the type says when one is missing. */
export const METHODS = { refconv } as const satisfies Record<MethodName, Method>;

export function isMethod(name: string): name is MethodName {
  return Object.hasOwn(METHODS, name);
}
