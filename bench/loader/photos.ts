import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { randomFor } from '../../src/base/random.js';

const WIDTH = 500;
const HEIGHT = 375;
/** Pixels of the picture for each random value of its large patches. */
const PATCH = 12;
const GRAIN = 6;

/**
 * Writes JPEG files of the size and detail of a data set of photographs (500×375, about 60 KB): random patches, blurred, with
 * some grain.
 * @param folder gets two folders of classes
 */
export async function writePhotos(folder: string, count: number): Promise<void> {
  for (const name of ['a', 'b']) mkdirSync(join(folder, name), { recursive: true });
  for (let i = 0; i < count; i++) {
    const random = randomFor('photo', i);
    const [width, height] = [Math.ceil(WIDTH / PATCH), Math.ceil(HEIGHT / PATCH)];
    const patches = Uint8Array.from({ length: 3 * width * height }, () => random.int(256));
    const smooth = await sharp(patches, { raw: { width, height, channels: 3 } })
      .resize(WIDTH, HEIGHT, { kernel: 'cubic', fit: 'fill' })
      .raw()
      .toBuffer();
    const grainy = Uint8ClampedArray.from(smooth, (v) => v + GRAIN * random.normal());
    await sharp(grainy, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
      .jpeg({ quality: 90 })
      .toFile(join(folder, i % 2 === 0 ? 'a' : 'b', `${i}.jpg`));
  }
}
