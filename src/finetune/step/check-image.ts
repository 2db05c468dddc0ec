import { InputError, ModelError } from '../../base/errors.js';
import { inferTypes, type Model, type Value } from '../../onnx/index.js';

/**
 * Whether shapes go together all the way for images of this size. The file's own batch is kept, where it has one:
 * constants may depend on it.
 * @param image [C, H, W]
 * @throws InputError naming the first node that cannot take what such an image gives
 */
export function checkImageSize(model: Model, input: Value, image: readonly number[], batch: number): void {
  const declared = input.type?.kind === 'tensor' ? input.type.shape : undefined;
  const own = declared?.[0];
  const shape = [typeof own === 'number' ? own : batch, ...image];
  // Said by specialization, which knows which dims may change.
  if (declared?.some((d, axis) => axis > 0 && typeof d === 'number' && d !== shape[axis])) return;
  try {
    inferTypes(model, { strict: true, inputShapes: new Map([[input.name, shape]]) });
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    const { problem, expected, found } = error.facts;
    throw new InputError({
      problem: `${model.source ?? 'the model'} takes no images of ${image.slice(1).join('×')}: ${problem}`,
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
      hint: 'choose another image size ("size" of the preprocessing, --preprocess), or another network',
      cause: error,
    });
  }
}
