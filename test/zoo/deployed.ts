/** The training form of a network against the network that is deployed. */
import { expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { countModel } from '../../src/onnx/count.js';
import { type Model, type Node, Tensor } from '../../src/onnx/index.js';
import { type FuseOptions, fuse, verify } from '../../src/reparam/index.js';
import { createEngine } from '../../src/runtime/index.js';
import { buildModel, type ZooOptions } from '../../src/zoo/index.js';

/** Checks that fusing the one network gives the operators, dims and counts of the other, and its own outputs. */
export function checkDeployed(name: string, options: ZooOptions, fusing: FuseOptions = {}): void {
  test(`${name} ${JSON.stringify(options)}: fused it is ${name}deploy, with its own outputs`, async () => {
    const training = buildModel(name, options);
    randomNorms(training);
    const { model: fused, branches } = fuse(training, fusing);
    expect(branches.length).toBeGreaterThan(0);
    const deployed = buildModel(`${name}deploy`, options);
    expect(fused.graph.nodes.map(structure)).toEqual(deployed.graph.nodes.map(structure));
    const [mine, its] = [fused, deployed].map((m) => countModel(m));
    expect(mine).toMatchObject({ parameters: its.parameters, multAdds: its.multAdds, buffers: 0 });
    const engine = await createEngine();
    try {
      const report = await verify(training, fused, engine);
      expect(report).toMatchObject({ equivalent: true });
      expect(report.maxRelative).toBeGreaterThan(0);
      // Other statistics, other kernels: the comparison would see a branch that is missing.
      randomNorms(training, 1);
      expect((await verify(training, fused, engine)).equivalent).toBe(false);
    } finally {
      await engine.close();
    }
  });
}

/** Statistics, scales and shifts as after some training, for they start as 0 and 1. */
function randomNorms(model: Model, seed = 0): void {
  for (const { opType, inputs } of model.graph.nodes) {
    if (opType !== 'BatchNormalization') continue;
    for (const [i, value] of inputs.slice(1).entries()) {
      if (!value?.initializer) throw new Error('no parameter');
      const random = randomFor(seed, value.name);
      const isPositive = i === 0 || i === 3;
      const data = Float32Array.from({ length: value.initializer.size }, () =>
        isPositive ? 0.5 + random.next() : 0.2 * random.normal(),
      );
      model.graph.setInitializer(value, Tensor.float32(value.initializer.dims, data));
    }
  }
}

function structure(node: Node): unknown {
  const attributes = ['group', 'kernel_shape', 'strides', 'pads', 'dilations'].map((name) =>
    name === 'group' ? node.int(name, 1) : node.ints(name),
  );
  return [node.opType, ...attributes, ...node.inputs.map((v) => v?.initializer?.dims)];
}
