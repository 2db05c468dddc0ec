/**
 * Weights as Keras 1 and 2 write them to HDF5, and Keras 3 to files named .h5: `layer_names` lists groups, `weight_names` of
 * each group its data sets. A whole model has this in the group `model_weights`.
 */
import { InputError } from '../../base/errors.js';
import type { Tensor } from '../../onnx/index.js';
import type { Hdf5 } from './hdf5.js';

/** The group that has the layers, undefined where the file has another layout. */
export function h5LayersGroup(file: Hdf5): string | undefined {
  return ['model_weights', ''].find((group) => file.texts(group, 'layer_names') !== undefined);
}

/**
 * The variables by `layer/variable`, such as `conv1/kernel`; those of a model used as a layer by `model/layer/variable`.
 * @throws InputError when a layer or data set that is listed is missing
 */
export function readH5Weights(file: Hdf5, group: string): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const layer of file.texts(group, 'layer_names') ?? []) {
    const place = joined(group, layer);
    const names = file.texts(place, 'weight_names');
    if (!names)
      throw new InputError({
        problem: `${file.path}: layer ${layer} is listed, but not there`,
        expected: `a group ${place} with weight_names`,
        hint: 'copy or download the file again',
      });
    const variables = variableNames(names);
    for (const [i, name] of names.entries()) {
      const key = `${layer}/${variables[i]}`;
      if (tensors.has(key))
        throw new InputError({
          problem: `${file.path}: two variables are called ${key}`,
          found: names.join(', '),
        });
      tensors.set(key, file.tensor(joined(place, name)));
    }
  }
  return tensors;
}

function joined(group: string, name: string): string {
  return group === '' ? name : `${group}/${name}`;
}

/**
 * What the variables of a layer are called: without `:0`, and without the path that all of them have in common. (It is the
 * layer's name, but not always the one it has now: `conv1_1/kernel:0`, `model/conv1/kernel`.)
 */
function variableNames(names: readonly string[]): string[] {
  const paths = names.map((name) => name.replace(/:\d+$/, '').split('/'));
  const shared = (depth: number): boolean =>
    paths.every((path) => path.length > depth + 1 && path[depth] === paths[0][depth]);
  let depth = 0;
  while (paths.length > 0 && shared(depth)) depth++;
  const short = paths.map((path) => path.slice(depth).join('/'));
  // Keras 3 calls the kernel of a depthwise convolution as any other; a separable one has two.
  return short.includes('pointwise_kernel')
    ? short
    : short.map((name) => name.replace(/(^|\/)depthwise_kernel$/, '$1kernel'));
}
