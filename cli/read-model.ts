import { existsSync } from 'node:fs';
import type { Model } from '../src/onnx/index.js';
import type { Context } from './command.js';

/**
 * Reads a model that a command is given, and checks that its operators and shapes go together. Weights that are no
 * finite numbers are legal: they are said on standard error.
 */
export async function readModel(file: string, context: Context): Promise<Model> {
  const { checkModel, loadModel, nonFiniteWeights } = await import('../src/onnx/index.js');
  if (!existsSync(file)) {
    const { refuseZooName } = await import('../src/zoo/index.js');
    refuseZooName(file);
  }
  const model = await loadModel(file);
  checkModel(model);
  const { nonFiniteText } = await import('../src/report/finite-text.js');
  const warning = nonFiniteText(file, nonFiniteWeights(model));
  if (warning !== undefined) context.log(warning);
  return model;
}
