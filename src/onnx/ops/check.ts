/**
 * Whether nodes are calls of operators that exist: names, counts, attributes and element types, against the signatures of
 * the specification. Apart from the structural verifier, because a file with operators of a custom domain is legal: it
 * can be loaded and saved, only not run.
 */
import { UnsupportedError } from '../../base/errors.js';
import { localFunctions } from '../codec/functions.js';
import type { Model } from '../ir/model.js';
import type { Node } from '../ir/node.js';
import type { ValueType } from '../ir/types.js';
import type { Value } from '../ir/value.js';
import { refuse } from './fail.js';
import { NEWEST_OPSET, type OperatorSchema, type Parameter, schemaHistory, schemaOf } from './schemas.js';

/** The oldest operator set whose meaning the runtime guarantees. */
export const OLDEST_OPSET = 7;

/** Withdrawn by the version that brought them (scale and bias per group): files have them, and the runtime runs them. */
const WITHDRAWN: ReadonlySet<string> = new Set(['GroupNormalization']);

/** Domains that the runtime implements itself; their operators are not checked here. */
const RUNTIME_DOMAINS: ReadonlySet<string> = new Set([
  'ai.onnx.ml',
  'ai.onnx.preview.training',
  'com.microsoft',
  'com.microsoft.nchwc',
]);

/**
 * Checks every node, those of sub-graphs included. Calls of the model's local functions are legal.
 * @throws ModelError naming a node that is no legal call of its operator; UnsupportedError for a custom domain or an
 *   opset that is not known
 */
export function checkOperators(model: Model): void {
  const functions = localFunctions(model);
  const stack = [...model.graph.nodes].reverse();
  checkOpset(model, stack);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.domain === '') checkNode(node, model.opset);
    else if (!functions.has(`${node.domain}::${node.opType}`)) checkDomain(node, model);
    for (const graph of node.subgraphs) stack.push(...graph.nodes);
  }
}

function checkOpset(model: Model, nodes: readonly Node[]): void {
  const version = model.opsets.get('');
  if (version === undefined) {
    const node = nodes.find((n) => n.domain === '');
    if (node) refuse(node, 'the ai.onnx operator set', 'an import by the model', 'none');
    return;
  }
  if (version < OLDEST_OPSET || version > NEWEST_OPSET)
    throw new UnsupportedError({
      problem: `${model.source ?? 'the model'}: opset ${version} of ai.onnx`,
      expected: `${OLDEST_OPSET} to ${NEWEST_OPSET}`,
      found: `${version}`,
      hint: 'Convert the model to a supported opset first (onnx.version_converter, or export it again).',
    });
}

function checkDomain(node: Node, model: Model): void {
  if (!model.opsets.has(node.domain))
    refuse(node, `domain ${node.domain}`, 'an import by the model', [...model.opsets.keys()].join(', '));
  if (!RUNTIME_DOMAINS.has(node.domain))
    throw new UnsupportedError({
      problem: `${node.describe()} is unsupported: an operator of the custom domain ${node.domain}`,
      expected: `an operator of ai.onnx, ${[...RUNTIME_DOMAINS].join(', ')} or a local function`,
      hint: 'The model can be read and written, but not run without the library that implements it.',
    });
}

/** Checks one ai.onnx node against its signature. @throws ModelError naming the node */
export function checkNode(node: Node, opset: number): void {
  if (node.opType === '') refuse(node, 'op_type', 'the name of an operator', "''");
  const schema = schemaOf(node.opType, opset);
  if (!schema) {
    const first = schemaHistory(node.opType)?.[0].since;
    refuse(
      node,
      first === undefined
        ? `unsupported operator: ai.onnx has no ${node.opType}`
        : `operator ${node.opType} is new in opset ${first}`,
      'an operator of the imported opset',
      `opset ${opset}`,
    );
  }
  if (schema.deprecated && !WITHDRAWN.has(node.opType))
    refuse(node, `operator ${node.opType} was removed in opset ${schema.since}`, 'another', `opset ${opset}`);
  checkCount(
    node,
    'inputs',
    node.inputs.map((v) => v !== undefined),
    schema.inputs,
  );
  // The outputs' names tell which are left out, but an unused required output is harmless.
  checkCount(
    node,
    'outputs',
    node.outputs.map(() => true),
    schema.outputs,
  );
  checkAttributes(node, schema);
}

function checkCount(
  node: Node,
  what: 'inputs' | 'outputs',
  present: readonly boolean[],
  parameters: readonly Parameter[],
): void {
  const last = parameters[parameters.length - 1];
  const variadic = last?.kind === 'variadic' ? last : undefined;
  const most = variadic ? Number.POSITIVE_INFINITY : parameters.length;
  if (present.length > most)
    refuse(node, `too many ${what}`, most === 0 ? 'none' : `at most ${most}`, `${present.length}`);
  const one = what.slice(0, -1);
  parameters.forEach((p, i) => {
    if (p.kind === 'single' && !present[i])
      refuse(node, `missing ${one} ${i} (${p.name})`, 'a value, as it is required', 'none');
  });
  if (variadic && present.length < parameters.length - 1 + variadic.least)
    refuse(
      node,
      `too few ${what}`,
      `at least ${parameters.length - 1 + variadic.least}`,
      `${present.length}`,
    );
}

const CARRIED: ReadonlySet<string> = new Set([
  'sparse_tensor',
  'sparse_tensors',
  'type_proto',
  'type_protos',
]);

function checkAttributes(node: Node, schema: OperatorSchema): void {
  for (const [name, a] of node.attributes) {
    const wanted = schema.attributes.get(name);
    if (!wanted)
      refuse(
        node,
        `unknown attribute ${name}`,
        [...schema.attributes.keys()].join(', ') || 'no attributes',
        name,
      );
    const matches = a.type === 'other' ? CARRIED.has(wanted.type) : a.type === wanted.type;
    if (!matches) refuse(node, `attribute ${name}`, `type ${wanted.type}`, `type ${a.type}`);
  }
  for (const [name, a] of schema.attributes)
    if (a.required && !node.attributes.has(name))
      refuse(node, `missing attribute ${name}`, 'a value, as it is required', 'none');
}

/**
 * Checks the element types of a node's inputs, as far as they are known: those the operator allows, and one type where
 * the signature says so.
 */
export function checkTypes(node: Node, opset: number, typeOf: (value: Value) => ValueType | undefined): void {
  const schema = node.domain === '' ? schemaOf(node.opType, opset) : undefined;
  if (!schema) return;
  const bound = new Map<string, { readonly dataType: string; readonly name: string }>();
  node.inputs.forEach((value, i) => {
    const p = schema.inputs[Math.min(i, schema.inputs.length - 1)];
    const type = value && typeOf(value);
    if (type?.kind !== 'tensor' || !p) return;
    const { dataType } = type;
    const fixed = p.type.startsWith('=') ? new Set([p.type.slice(1)]) : undefined;
    const allowed = fixed ?? schema.constraints.get(p.type);
    if (allowed && !allowed.has(dataType))
      refuse(node, `input ${i} (${p.name}) has element type ${dataType}`, [...allowed].join(', '), dataType);
    if (fixed || !p.uniform) return;
    const before = bound.get(p.type);
    if (before && before.dataType !== dataType)
      refuse(
        node,
        `input ${i} (${p.name}) has element type ${dataType}`,
        `${before.dataType}, as input ${before.name}`,
        dataType,
      );
    bound.set(p.type, { dataType, name: p.name });
  });
}
