import type { Model } from '../ir/model.js';
import { ModelWire } from './wire.js';

/** `domain::name` of the local functions that a model's file brought along; the runtime inlines their calls. */
export function localFunctions(model: Model): ReadonlySet<string> {
  const functions = model.wire instanceof ModelWire ? (model.wire.rest?.functions ?? []) : [];
  return new Set(functions.map((f) => `${f.domain ?? ''}::${f.name ?? ''}`));
}
