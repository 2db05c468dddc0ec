import type { Dim, Model, Value } from '../../onnx/index.js';

/** What makes two models incomparable before anything runs: other inputs or outputs. An open dim fits any. */
export function signatureProblems(a: Model, b: Model): string[] {
  return [
    ...compare('input', a.graph.requiredInputs, b.graph.requiredInputs),
    ...compare('output', a.graph.outputs, b.graph.outputs),
  ];
}

function compare(kind: string, a: readonly Value[], b: readonly Value[]): string[] {
  const problems: string[] = [];
  const others = new Map(b.map((v) => [v.name, v]));
  for (const v of a) {
    const other = others.get(v.name);
    if (!other) problems.push(`${kind} '${v.name}' is missing in the second model`);
    else {
      const difference = typeDifference(v, other);
      if (difference) problems.push(`${kind} '${v.name}' is ${difference}`);
    }
    others.delete(v.name);
  }
  for (const name of others.keys()) problems.push(`${kind} '${name}' is missing in the first model`);
  return problems;
}

function typeDifference(a: Value, b: Value): string | undefined {
  if (a.type?.kind !== 'tensor' || b.type?.kind !== 'tensor') return undefined;
  if (a.type.dataType !== b.type.dataType)
    return `${a.type.dataType} in the one and ${b.type.dataType} in the other`;
  const [x, y] = [a.type.shape, b.type.shape];
  if (!x || !y) return undefined;
  const fits = (d: Dim, e: Dim): boolean => typeof d !== 'number' || typeof e !== 'number' || d === e;
  if (x.length === y.length && x.every((d, i) => fits(d, y[i]))) return undefined;
  const text = (shape: readonly Dim[]): string => `[${shape.map((d) => d ?? '?').join(', ')}]`;
  return `${text(x)} in the one and ${text(y)} in the other`;
}
