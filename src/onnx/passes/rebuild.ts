import type { AttributeInit } from '../ir/attribute.js';
import { Node } from '../ir/node.js';
import { Value } from '../ir/value.js';

/** What of a node changes; the rest (name, metadata, other attributes, output names) stays. */
export interface Rebuild {
  readonly opType?: string;
  readonly inputs?: readonly (Value | undefined)[];
  /** Attributes to set, or to drop where undefined. */
  readonly attributes?: Readonly<Record<string, AttributeInit | undefined>>;
  /** How many of the outputs stay; the others must be unread. Default: all. */
  readonly outputs?: number;
}

/** Puts a changed copy of a node in its place, for changes that a node itself does not allow. */
export function rebuildNode(node: Node, change: Rebuild): Node {
  const { graph } = node;
  if (!graph) throw new Error(`${node.describe()} is in no graph`);
  const kept = node.outputs.slice(0, change.outputs ?? node.outputs.length);
  const next = new Node({
    opType: change.opType ?? node.opType,
    domain: node.domain,
    overload: node.overload,
    name: node.name,
    inputs: change.inputs ?? node.inputs,
    outputs: kept.map((o) => takeOver(new Value(o.name, o.type), o)),
  });
  next.docString = node.docString;
  for (const [k, v] of node.metadata) next.metadata.set(k, v);
  for (const [k, a] of node.attributes) next.attributes.set(k, a);
  for (const [k, a] of Object.entries(change.attributes ?? {})) {
    if (a === undefined) next.attributes.delete(k);
    else next.setAttribute(k, a);
  }
  graph.addNode(next, { before: node });
  kept.forEach((o, i) => {
    graph.replaceUses(o, next.output(i));
  });
  graph.removeNode(node);
  return next;
}

/** Gives a value the descriptions of the one it replaces. */
export function takeOver(value: Value, old: Value): Value {
  value.docString = old.docString;
  for (const [k, v] of old.metadata) value.metadata.set(k, v);
  return value;
}
