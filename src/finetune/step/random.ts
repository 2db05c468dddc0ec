import { type GraphBuilder, type Node, tensorType, type Value } from '../../onnx/index.js';
import { dropStochasticDepth, isRandom, stochasticDepthOf } from '../../runtime/index.js';
import { dropoutSite } from './dropout.js';
import { type RandomSite, randomBits } from './random-bits.js';
import { randomSite } from './random-nodes.js';

function siteOf(node: Node, scores: readonly Value[], dropout: 'train' | 'off'): RandomSite | undefined {
  if (node.opType === 'Dropout' && node.domain === '') return dropoutSite(node, scores, dropout);
  if (!isRandom(node)) return undefined;
  const depth = dropout === 'off' ? stochasticDepthOf(node) : undefined;
  if (!depth || scores.includes(depth.product.output())) return randomSite(node);
  dropStochasticDepth(depth);
  return undefined;
}

/**
 * Makes the random nodes of a network follow from a seed, so that a run is repeatable and can be resumed; without
 * dropout, those that drop are taken out.
 * @param scores what the loss judges
 * @returns the seed, an int32 scalar graph input; undefined where nothing is random
 * @throws UnsupportedError naming a node that cannot be seeded
 */
export function seedRandomNodes(
  b: GraphBuilder,
  scores: readonly Value[],
  dropout: 'train' | 'off',
): Value | undefined {
  const { graph } = b;
  const sites: RandomSite[] = [];
  for (const node of [...graph.nodes]) {
    const site = siteOf(node, scores, dropout);
    if (site) sites.push(site);
  }
  if (sites.length === 0) return undefined;
  const seed = graph.addInput(graph.uniqueName('seed'), tensorType('int32', []));
  const dims = sites.map((s) => s.dims);
  const bits = b.at({ before: graph.nodes[0] }, () => b.scope('random', () => randomBits(b, seed, dims)));
  sites.forEach(({ node, emit }, i) => {
    b.at({ before: node }, () => b.scope(node.name || node.output().name, () => emit(b, bits[i])));
    graph.removeNode(node);
  });
  return seed;
}
