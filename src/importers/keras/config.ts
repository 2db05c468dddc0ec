/** The parts of `config.json` in a `.keras` archive that tell what the numbered variables are. */
import { z } from 'zod';
import { InputError, UnsupportedError } from '../../base/errors.js';

const layerSchema = z.object({
  module: z.string().nullish(),
  class_name: z.string(),
  registered_name: z.string().nullish(),
  config: z.object({
    name: z.string(),
    /** Of normalizations, whether there is a γ and a β; other layers call other things so. */
    scale: z.unknown().optional(),
    center: z.unknown().optional(),
    layers: z.array(z.unknown()).optional(),
  }),
});

export type LayerConfig = z.infer<typeof layerSchema>;

const modelSchema = z.object({ config: z.object({ layers: z.array(z.unknown()) }) });

/** The layers of a sequential or functional model. @throws InputError when the text is something else */
export function parseConfig(text: string, path: string): LayerConfig[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new InputError({ problem: `${path}: config.json is not JSON`, cause });
  }
  const model = modelSchema.safeParse(json);
  if (!model.success)
    throw new InputError({
      problem: `${path}: config.json describes no sequential or functional model`,
      found: model.error.issues.map((i) => `${i.path.join('.') || '(root)'}: ${i.message}`).join('; '),
    });
  return parseLayers(model.data.config.layers, path);
}

/** @throws UnsupportedError for a layer that is Python code, of which nothing is known here and nothing is run */
export function parseLayers(layers: readonly unknown[], path: string): LayerConfig[] {
  return layers.map((layer, i) => {
    const parsed = layerSchema.safeParse(layer);
    if (!parsed.success)
      throw new InputError({
        problem: `${path}: layer ${i} of config.json is not described as Keras does`,
        found: parsed.error.issues.map((e) => `${e.path.join('.')}: ${e.message}`).join('; '),
      });
    const { module, class_name: name, config } = parsed.data;
    const own = module === undefined || module === null || !/^(keras|tf_keras|tensorflow)\b/.test(module);
    if (own || name === 'Lambda')
      throw new UnsupportedError({
        problem: `${path}: layer ${config.name} is Python code`,
        expected: "Keras's own layers",
        found: module ? `${module}.${name}` : name,
        hint: 'its weights alone can be read: model.save_weights(FILE.weights.h5)',
      });
    return parsed.data;
  });
}

/**
 * The groups of layers in a weights file, by the rule of Keras: the class in snake case, with `_1`, `_2`, … from the second
 * of a class on.
 */
export function groupNames(layers: readonly LayerConfig[]): Map<string, LayerConfig> {
  const used = new Map<string, number>();
  return new Map(
    layers.map((layer) => {
      const name = snakeCase(layer.class_name);
      const count = used.get(name) ?? 0;
      used.set(name, count + 1);
      return [count === 0 ? name : `${name}_${count}`, layer];
    }),
  );
}

/** `DepthwiseConv2D` → `depthwise_conv2d`, `PReLU` → `p_re_lu`. */
function snakeCase(name: string): string {
  return name
    .replaceAll(/\W+/g, '')
    .replaceAll(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}
