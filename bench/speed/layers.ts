import type { Model, Node } from '../../src/onnx/index.js';
import { constantOf } from '../../src/reparam/index.js';

/** A node of the network, by names. */
export interface Layer {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** Numbers only; attributes of other types are left out. */
  readonly attributes: Readonly<Record<string, number | readonly number[]>>;
}

/** A network as a list: what a peer runs that has no code of its own for it. Weights are in the safetensors file. */
export interface Layers {
  readonly input: string;
  readonly output: string;
  /** In order: inputs come before. */
  readonly layers: readonly Layer[];
  /** Small integer constants, such as axes and pads. A 64-bit value that a number cannot hold is rounded. */
  readonly constants: Readonly<Record<string, readonly number[]>>;
}

export function layersOf({ graph }: Model): Layers {
  const constants: Record<string, readonly number[]> = {};
  for (const value of graph.initializers) {
    const tensor = constantOf(value);
    if (tensor?.dataType === 'int64') constants[value.name] = Array.from(tensor.typed(), Number);
  }
  return {
    input: graph.inputs[0].name,
    output: graph.outputs[0].name,
    layers: graph.nodes.map((node) => ({
      op: node.opType,
      inputs: node.inputs.map((v) => v?.name ?? ''),
      output: node.output().name,
      attributes: numbersOf(node),
    })),
    constants,
  };
}

function numbersOf(node: Node): Layer['attributes'] {
  const numbers: Record<string, number | readonly number[]> = {};
  for (const [name, attribute] of node.attributes)
    if (attribute.type === 'int' || attribute.type === 'float') numbers[name] = Number(attribute.value);
    else if (attribute.type === 'ints') numbers[name] = attribute.value.map(Number);
  return numbers;
}
