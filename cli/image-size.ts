import { UsageError } from '../src/base/errors.js';
import type { Model, Value } from '../src/onnx/index.js';
import type { Kind } from './flags.js';

/** Pixels. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

const LARGEST = 16_384;

/** `224`, or `256x192` (height first). */
export const imageSize: Kind<ImageSize> = {
  expected: `a side or HEIGHTxWIDTH, pixels from 1 to ${LARGEST}, such as 224 or 256x192`,
  placeholder: 'N|HxW',
  parse: (s) => {
    const [, ...sides] = /^(\d+)(?:[x×](\d+))?$/.exec(s) ?? [];
    const [height, width = height] = sides.filter((side) => side !== undefined).map(Number);
    return [height, width].every((v) => v >= 1 && v <= LARGEST) ? { height, width } : undefined;
  },
};

export function imageSizeText({ height, width }: ImageSize): string {
  return `${height}×${width}`;
}

/**
 * The dims of the model's image input at this size, with the declared batch or else this one; NCHW, or NHWC where the last axis is the
 * fixed one.
 * @throws UsageError when not exactly one input is an image
 */
export function imageShapes(model: Model, size: ImageSize, batch: number): Record<string, readonly number[]> {
  const images = model.graph.requiredInputs.filter((v) => shapeOf(v)?.length === 4);
  const [input] = images;
  const shape = input && shapeOf(input);
  if (images.length !== 1 || !input || !shape)
    throw new UsageError({
      problem: '--image is for a model with one image input',
      found: images.length === 0 ? 'no input of four axes' : images.map((v) => v.name).join(', '),
    });
  const [declared, ...axes] = shape;
  const channelsLast = typeof axes[2] === 'number' && (typeof axes[0] !== 'number' || axes[0] > axes[2]);
  const channels = channelsLast ? axes[2] : axes[0];
  const depth = typeof channels === 'number' ? channels : 3;
  const sides = [size.height, size.width];
  const dims = channelsLast ? [...sides, depth] : [depth, ...sides];
  return { [input.name]: [typeof declared === 'number' ? declared : batch, ...dims] };
}

function shapeOf(value: Value): readonly (number | string | null)[] | undefined {
  return value.type?.kind === 'tensor' ? value.type.shape : undefined;
}
