/** Edits that folding makes: a node takes another constant, a node that goes leaves what the file says of it. */
import type { Graph, Model, Node, Tensor, Value } from '../onnx/index.js';
import { constantOf, removeDead, setConstant } from './constants.js';

/** What a file says of a node that goes stands with the one that stays: both documentations, metadata of other keys. */
export function absorb(stays: Node, goes: Node): void {
  stays.docString = [...new Set([stays.docString, goes.docString])].filter((s) => s !== '').join('\n');
  for (const [key, text] of goes.metadata) if (!stays.metadata.has(key)) stays.metadata.set(key, text);
}

/** Gives one node another constant. One that others read as well is copied, not overwritten. */
export function replaceConstant(model: Model, node: Node, index: number, tensor: Tensor): Value {
  const value = node.input(index);
  if (value.isOutput || value.uses.length > 1 || value.graph !== model.graph)
    return addConstant(model, node, index, tensor, value.name);
  if (value.isInput && constantOf(value)?.dims.join() !== tensor.dims.join()) value.type = undefined;
  setConstant(value, tensor);
  return value;
}

export function addConstant(model: Model, node: Node, index: number, tensor: Tensor, name: string): Value {
  const value = model.graph.addInitializer(model.graph.uniqueName(name), tensor);
  if (model.irVersion < 4) model.graph.addInput(value);
  node.setInput(index, value);
  return value;
}

/** A parameter nothing reads any more goes, also where the file lists it among the inputs. */
export function dropParameter(graph: Graph, value: Value): void {
  if (value.isDead && value.isInput && value.initializer) graph.removeInput(value);
  removeDead(graph, [value]);
}
