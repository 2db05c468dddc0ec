/**
 * Weights as Keras 3 writes them to `.weights.h5`, and to `model.weights.h5` inside `.keras`: groups nest as the Python
 * objects do (`layers/conv2d_1/vars/0`), and variables have numbers. The layer's own name is an attribute of `vars`; files
 * of early versions have it in the configuration only.
 */
import { InputError } from '../../base/errors.js';
import type { Tensor } from '../../onnx/index.js';
import { groupNames, type LayerConfig, parseLayers } from './config.js';
import type { Hdf5 } from './hdf5.js';

/** Where sequential and functional models keep their layers; the second in early versions of the format. */
const CONTAINERS = ['layers', '_layer_checkpoint_dependencies'] as const;
const MAX_DEPTH = 32;

export function isKeras3Weights(file: Hdf5): boolean {
  return CONTAINERS.some((container) => file.has(container));
}

/**
 * The variables by `layer/variable`, such as `conv1/kernel`; those of a model used as a layer by `model/layer/variable`, and
 * those of classes that are not known here by their number.
 * @param layers from the configuration, where there is one
 * @throws InputError
 */
export function readKeras3Weights(
  file: Hdf5,
  layers: readonly LayerConfig[] | undefined,
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  readContainers(file, '', '', layers, tensors, 0);
  return tensors;
}

function readContainers(
  file: Hdf5,
  place: string,
  prefix: string,
  layers: readonly LayerConfig[] | undefined,
  tensors: Map<string, Tensor>,
  depth: number,
): void {
  if (depth > MAX_DEPTH) throw new InputError({ problem: `${file.path}: groups in each other without end` });
  const configs = layers && groupNames(layers);
  for (const container of CONTAINERS)
    for (const group of file.children(`${place}${container}`)) {
      const at = `${place}${container}/${group}`;
      const config = configs?.get(group);
      const name = prefix + (file.text(`${at}/vars`, 'name') ?? config?.config.name ?? group);
      for (const [variable, number] of variables(file, at, group, config)) {
        const key = `${name}/${variable}`;
        if (tensors.has(key))
          throw new InputError({ problem: `${file.path}: two variables are called ${key}` });
        tensors.set(key, file.tensor(`${at}/vars/${number}`));
      }
      const inner = config?.config.layers && parseLayers(config.config.layers, file.path);
      readContainers(file, `${at}/`, `${name}/`, inner, tensors, depth + 1);
    }
}

/** Name and number of each variable of a layer. */
function variables(
  file: Hdf5,
  place: string,
  group: string,
  config: LayerConfig | undefined,
): [name: string, number: string][] {
  const numbers = file.children(`${place}/vars`).toSorted((a, b) => Number(a) - Number(b));
  const kind = group.replace(/_\d+$/, '');
  const names = Object.hasOwn(VARIABLES, kind) ? VARIABLES[kind](numbers.length, config) : undefined;
  return numbers.map((number, i) => [names?.[i] ?? number, number]);
}

type Names = (count: number, config: LayerConfig | undefined) => readonly string[] | undefined;

const kernelAndBias: Names = () => ['kernel', 'bias'];

/** γ and β may each be left out; where only one of them is, the configuration tells which. */
function scaleAndCenter(...rest: readonly string[]): Names {
  return (count, config) => {
    const learned = count - rest.length;
    if (learned === 2) return ['gamma', 'beta', ...rest];
    if (learned === 0) return rest;
    const { scale, center } = config?.config ?? {};
    if (scale === true && center === false) return ['gamma', ...rest];
    if (scale === false && center === true) return ['beta', ...rest];
    return undefined;
  };
}

/** Variables of the layer classes that convolutional networks have, in the order in which Keras keeps them. */
const VARIABLES: Readonly<Record<string, Names>> = {
  conv1d: kernelAndBias,
  conv2d: kernelAndBias,
  conv2d_transpose: kernelAndBias,
  depthwise_conv2d: kernelAndBias,
  dense: kernelAndBias,
  separable_conv2d: () => ['depthwise_kernel', 'pointwise_kernel', 'bias'],
  batch_normalization: scaleAndCenter('moving_mean', 'moving_variance'),
  layer_normalization: scaleAndCenter(),
  group_normalization: scaleAndCenter(),
  normalization: () => ['mean', 'variance', 'count'],
  p_re_lu: () => ['alpha'],
};
