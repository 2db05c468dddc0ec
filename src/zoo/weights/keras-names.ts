/** What PyTorch, and so the zoo, calls a layer's variables. */
const VARIABLES: Readonly<Record<string, string>> = {
  kernel: 'weight',
  gamma: 'weight',
  beta: 'bias',
  moving_mean: 'running_mean',
  moving_variance: 'running_var',
  // Keras 1, in which the published files of VGG are.
  W: 'weight',
  b: 'bias',
};

/**
 * `Conv/BatchNorm/gamma` → `Conv_bn.weight`: variables as PyTorch calls them, and layers as Keras 3 does, which has no slashes
 * in their names. Keras 1 repeats the layer in the variable: `fc1/fc1_W_1`.
 */
export function plainKerasName(name: string): string {
  const at = name.lastIndexOf('/');
  const path = name.slice(0, Math.max(0, at));
  const layer = path.replaceAll('/', '_').replace(/_BatchNorm$/, '_bn');
  const last = name.slice(at + 1);
  const [, variable = last] = last.startsWith(`${path}_`) ? (/_([Wb])_\d+$/.exec(last) ?? []) : [];
  return `${layer}.${Object.hasOwn(VARIABLES, variable) ? VARIABLES[variable] : variable}`;
}
