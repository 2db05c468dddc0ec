import { EnvironmentError } from '../../base/errors.js';
import { findTfjsPackages, TFJS_PACKAGES, type TfjsPackage } from './package.js';
import type { Tf } from './tf.js';

const HINT =
  'install one beside reparam: `npm install @tensorflow/tfjs-node-gpu` (Linux with CUDA; its installer downloads ' +
  'TensorFlow), `npm install @tensorflow/tfjs-node` (its installer downloads TensorFlow for the CPU), or ' +
  '`npm install @tensorflow/tfjs` (plain JavaScript, nothing to download beside the package, slow); ' +
  'or use --engine onnxruntime, which needs none of them';

/** The package that the engine uses. @throws EnvironmentError when none is installed */
export function chosenPackage(installed: readonly TfjsPackage[] = findTfjsPackages()): TfjsPackage {
  const [first] = installed;
  if (first) return first;
  throw new EnvironmentError({
    problem: 'TensorFlow.js is not installed',
    expected: `one of ${Object.keys(TFJS_PACKAGES).join(', ')}`,
    hint: HINT,
  });
}

/**
 * Loads the preferred package of those that are installed. Only the worker calls this: the libraries are large.
 * @throws EnvironmentError when none is installed, or the preferred one cannot be loaded: another one in its place would
 *   be slower without a word
 */
export async function loadTfjs(): Promise<Tf> {
  const { name } = chosenPackage();
  try {
    const tf = await imported(name);
    // No advice on stderr to install another package, and no checks of what was checked before the run.
    tf.enableProdMode();
    // In Node the plain package would look for WebGL first.
    if (name === '@tensorflow/tfjs') await tf.setBackend('cpu');
    await tf.ready();
    return tf;
  } catch (cause) {
    throw explainTfjsError(name, cause);
  }
}

/** The packages are CommonJS: an import may give their exports only under `default`. */
async function imported(name: string): Promise<Tf> {
  const module: Tf & { readonly default?: Tf } = await import(name);
  return module.default ?? module;
}

export function explainTfjsError(name: string, cause: unknown): EnvironmentError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new EnvironmentError({
    problem: `${name} is installed and cannot be loaded`,
    found: message.split('\n')[0],
    hint:
      name === '@tensorflow/tfjs'
        ? `remove node_modules/${name}, then run npm install ${name}`
        : `its native library is missing or was built for another Node: run npm rebuild ${name} --build-addon-from-source, ` +
          `or remove ${name} to use the next of ${Object.keys(TFJS_PACKAGES).join(', ')}`,
    cause,
  });
}
