import { UnsupportedError } from '../../base/errors.js';
import {
  type DataType,
  inferTypes,
  type Model,
  type Node,
  type Value,
  type ValueType,
} from '../../onnx/index.js';
import { reasonFor, ruleFor } from './rules.js';
import { beyondInt32, HELD_TYPES, isHeld } from './tensors.js';

/**
 * Makes sure that every node of a model can be run with TensorFlow.js, before anything runs.
 * @throws UnsupportedError listing every node that cannot, each with the reason
 */
export function checkSupported(model: Model): void {
  const { types } = inferTypes(model);
  const typeOf = (v: Value): DataType | undefined => elementType(v.initializer ? undefined : types.get(v), v);
  const reasons = new Map<string, string[]>();
  for (const node of model.graph.nodes) {
    const reason = whyNot(node, model.opset, typeOf);
    if (reason === undefined) continue;
    const names = reasons.get(reason) ?? [];
    reasons.set(reason, [...names, node.describe()]);
  }
  if (reasons.size === 0) return;
  const label = model.source ?? (model.graph.name || 'the model');
  throw new UnsupportedError({
    problem: `TensorFlow.js cannot run ${label}`,
    found: Array.from(reasons, ([reason, nodes]) => `${nodes.join(', ')} (${reason})`).join('; '),
    hint: 'use --engine onnxruntime',
  });
}

function elementType(inferred: ValueType | undefined, v: Value): DataType | undefined {
  if (v.initializer) return v.initializer.dataType;
  const type = inferred ?? v.type;
  return type?.kind === 'tensor' ? type.dataType : undefined;
}

/** Why a node cannot be run, in words that are the same for every such node. */
function whyNot(node: Node, opset: number, typeOf: (v: Value) => DataType | undefined): string | undefined {
  // Constants are taken from the graph before it runs.
  const isConstant = node.opType === 'Constant' && node.domain === '';
  const rule = ruleFor(node.opType, node.domain);
  if (!rule) return reasonFor(node.opType, node.domain);
  const asked = rule.refuses?.(node, opset);
  if (asked !== undefined) return asked;
  for (const [i, v] of node.inputs.entries()) {
    const type = v && typeOf(v);
    if (!type || rule.parameters.includes(i)) continue;
    if (!rule.takes.includes(type)) return `${type} elements, not ${rule.takes.join(', ')}`;
    const lost = v.constant && beyondInt32(v.constant.typed());
    if (lost !== undefined) return `${lost}, which int32 cannot hold`;
  }
  for (const o of node.outputs) {
    const type = typeOf(o);
    if (type && !isHeld(type) && !isConstant) return `a result of ${type}, not ${HELD_TYPES.join(', ')}`;
  }
  return undefined;
}
