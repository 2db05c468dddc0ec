import { writeFileAtomic } from '../base/files.js';
import {
  type AttributeValue,
  type LayerCount,
  layerName,
  type Model,
  type ModelCount,
  type Node,
  type Value,
} from '../onnx/index.js';
import { count, NONE, short } from './format.js';
import { printable, shapeText, valueJson, withShort } from './inspect.js';
import { drawGraph } from './picture/layout.js';
import { type PictureNode, picturePage } from './picture/page.js';

/** Writes a picture of the counted layers: one HTML page with everything in it. @throws EnvironmentError, InputError */
export async function writePicture(
  file: string,
  title: string,
  model: Model,
  counted: ModelCount,
): Promise<void> {
  await writeFileAtomic(file, pictureHtml(title, model, counted));
}

/** That page. */
export function pictureHtml(title: string, model: Model, counted: ModelCount): string {
  const nodes = pictureNodes(model, counted);
  return picturePage({
    title,
    nodes,
    drawing: drawGraph(nodes.map((n) => ({ sources: n.reads }))),
    model,
    counted,
  });
}

/** What enters the counted layers, the layers, and what leaves the graph; in this order, which is a topological one. */
function pictureNodes({ graph }: Model, { layers }: ModelCount): PictureNode[] {
  const named = new Set(layers.map((l) => l.name));
  const entering = new Set(layers.flatMap((l) => l.reads.filter((name) => !named.has(name))));
  const inputs = new Map(graph.requiredInputs.map((v) => [v.name, v]));
  const byName = new Map(graph.nodes.map((n) => [layerName(n), n]));
  const nodes: PictureNode[] = [];
  const indexOf = new Map<string, number>();
  const add = (name: string, node: Omit<PictureNode, 'readBy'>): void => {
    indexOf.set(name, nodes.length);
    for (const source of node.reads) nodes[source].readBy.push(nodes.length);
    nodes.push({ ...node, readBy: [] });
  };
  for (const name of entering) {
    const input = inputs.get(name);
    add(name, end(name, input ? 'input' : (byName.get(name)?.opType ?? 'input'), input, []));
  }
  for (const layer of layers) {
    const reads = layer.reads.flatMap((name) => indexOf.get(name) ?? []);
    add(layer.name, layerNode(layer, byName.get(layer.name), reads));
  }
  for (const output of graph.outputs) {
    const source = output.producer && indexOf.get(layerName(output.producer));
    if (source !== undefined) add(`output ${output.name}`, end(output.name, 'output', output, [source]));
  }
  return nodes;
}

function end(
  name: string,
  op: string,
  value: Value | undefined,
  reads: number[],
): Omit<PictureNode, 'readBy'> {
  const json = value && valueJson(value);
  const shape = json ? `${json.dataType ?? '?'} ${shapeText(json.shape)}` : '';
  return {
    name: printable(name),
    op,
    kind: 'end',
    lines: [shape],
    facts: [['what', op], ...(shape ? [['shape', shape] as const] : [])],
    reads,
  };
}

function layerNode(layer: LayerCount, node: Node | undefined, reads: number[]): Omit<PictureNode, 'readBy'> {
  const { op, parameters, multAdds, connections } = layer;
  const shape = shapeText(layer.outputShape);
  const size = (n: number | null): string => (n === null ? NONE : withShort(n));
  return {
    name: printable(layer.name),
    op: printable(op),
    kind: (multAdds ?? 0) > 0 ? 'weighted' : op.endsWith('Normalization') ? 'norm' : 'plain',
    lines: [
      shape,
      `${count(parameters)} parameters · ${multAdds === null ? NONE : short(multAdds)} mult-adds`,
    ],
    facts: [
      ['operator', printable(node?.domain ? `${node.domain}.${op}` : op)],
      ['output shape', shape],
      ['parameters', size(parameters)],
      ['mult-adds', size(multAdds)],
      ['connections', size(connections)],
      ...(layer.weightMultAdds > 0 ? [['for its weights', withShort(layer.weightMultAdds)] as const] : []),
      ...(node ? [...node.attributes].map(([name, a]) => [printable(name), attributeText(a)] as const) : []),
    ],
    reads,
  };
}

/** Longer lists are cut: a page shows what a layer is, not its data. */
const MOST_VALUES = 16;

const utf8 = new TextDecoder();

function attributeText(attribute: AttributeValue): string {
  const list = (values: readonly unknown[]): string =>
    `[${values.slice(0, MOST_VALUES).join(', ')}${values.length > MOST_VALUES ? ', …' : ''}]`;
  const bytes = (value: Uint8Array): string => printable(utf8.decode(value.subarray(0, 80)));
  switch (attribute.type) {
    case 'float':
      return String(Number(attribute.value.toPrecision(7)));
    case 'int':
      return String(attribute.value);
    case 'string':
      return bytes(attribute.value);
    case 'floats':
    case 'ints':
      return list(attribute.value);
    case 'strings':
      return list(attribute.value.slice(0, MOST_VALUES + 1).map(bytes));
    case 'tensor':
      return `${attribute.value.dataType} ${shapeText(attribute.value.dims)}`;
    default:
      return attribute.type;
  }
}
