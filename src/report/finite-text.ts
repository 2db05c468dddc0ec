import type { NonFinite } from '../onnx/index.js';

/** Weights named in the warning; the others are counted. */
const NAMED = 3;

/** A warning about weights that are no finite numbers; undefined when there are none. */
export function nonFiniteText(file: string, weights: readonly NonFinite[]): string | undefined {
  if (weights.length === 0) return undefined;
  const list = weights.slice(0, NAMED).map((w) => {
    const counts = [
      ...(w.nan > 0 ? [`${w.nan} NaN`] : []),
      ...(w.infinite > 0 ? [`${w.infinite} infinite`] : []),
    ];
    return `'${w.name}' [${w.dims.join(', ')}]: ${counts.join(' and ')}`;
  });
  if (weights.length > NAMED) list.push(`and ${weights.length - NAMED} more`);
  return `warning: ${file}: weights that are no finite numbers: ${list.join('; ')}`;
}
