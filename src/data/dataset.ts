import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileError } from '../base/files.js';
import { decodeFile } from './decode/decode.js';
import type { Image } from './image.js';

/** Where the pixels of one sample are: in memory already, or in a file that has to be decoded. */
export type Source =
  | { readonly kind: 'pixels'; readonly image: Image }
  | { readonly kind: 'file'; readonly path: string };

/**
 * A labelled set of images, addressed by index. Samples have their own sizes and 1 or 3 channels: how they become a
 * network's input is the loader's work.
 */
export interface Dataset {
  /** For people: `cifar10 /data/cifar (test)`. */
  readonly name: string;
  /** What `openDataset` was given. */
  readonly spec: string;
  /** Labels are 0 … classes − 1. */
  readonly classes: number;
  readonly classNames?: readonly string[];
  readonly length: number;
  /** `memory`: every image is decoded and costs nothing to get; `files`: an image is read and decoded when it is wanted. */
  readonly storage: 'memory' | 'files';
  label(index: number): number;
  source(index: number): Source;
  /** Names one sample in a report: its file, or its place in a record file. */
  sampleName(index: number): string;
  /** The decoded image at its own size. @throws InputError where its file is missing or corrupt */
  image(index: number): Promise<Image>;
  /**
   * One key per sample, equal for equal samples whatever the sets are called: a hash of the pixels for images in memory,
   * file name and size for files (name alone in sets of more than 200,000).
   */
  keys(): Promise<readonly string[]>;
  /** SHA-256 over the sorted keys and labels: equal sets have equal fingerprints, in any order. */
  fingerprint(): Promise<string>;
}

/** What a set of either storage is made from. */
interface Description {
  readonly name: string;
  readonly spec: string;
  readonly classes: number;
  readonly classNames?: readonly string[];
}

async function fingerprintOf(set: Dataset): Promise<string> {
  const keys = await set.keys();
  const lines = keys.map((key, i) => `${key}\t${set.label(i)}`).sort();
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line).update('\n');
  return hash.digest('hex');
}

/** Equally sized images in one block of memory. */
export class MemoryDataset implements Dataset {
  readonly storage = 'memory';
  readonly name: string;
  readonly spec: string;
  readonly classes: number;
  readonly classNames?: readonly string[];
  readonly #size: { width: number; height: number; channels: 1 | 3 };
  readonly #pixels: Uint8Array;
  readonly #labels: Int32Array;

  /** @param data `labels.length` images of `height * width * channels` bytes, one after the other, HWC */
  constructor(
    description: Description,
    data: { width: number; height: number; channels: 1 | 3; pixels: Uint8Array; labels: Int32Array },
  ) {
    this.name = description.name;
    this.spec = description.spec;
    this.classes = description.classes;
    if (description.classNames) this.classNames = description.classNames;
    this.#size = { width: data.width, height: data.height, channels: data.channels };
    this.#pixels = data.pixels;
    this.#labels = data.labels;
  }

  get length(): number {
    return this.#labels.length;
  }

  label(index: number): number {
    return this.#labels[index];
  }

  source(index: number): { kind: 'pixels'; image: Image } {
    const { width, height, channels } = this.#size;
    const bytes = width * height * channels;
    const pixels = this.#pixels.subarray(index * bytes, (index + 1) * bytes);
    return { kind: 'pixels', image: { width, height, channels, pixels } };
  }

  sampleName(index: number): string {
    return `${this.name} #${index}`;
  }

  async image(index: number): Promise<Image> {
    return this.source(index).image;
  }

  async keys(): Promise<readonly string[]> {
    return Array.from({ length: this.length }, (_, i) =>
      createHash('sha1').update(this.source(i).image.pixels).digest('base64'),
    );
  }

  fingerprint(): Promise<string> {
    return fingerprintOf(this);
  }
}

/** Beyond this many files, their sizes are not asked for: a `stat` per file would take longer than an epoch's start. */
const MANY_FILES = 200_000;

/** One image per file. */
export class FileDataset implements Dataset {
  readonly storage = 'files';
  readonly name: string;
  readonly spec: string;
  readonly classes: number;
  readonly classNames?: readonly string[];
  readonly #paths: readonly string[];
  readonly #labels: Int32Array;

  constructor(description: Description, paths: readonly string[], labels: Int32Array) {
    this.name = description.name;
    this.spec = description.spec;
    this.classes = description.classes;
    if (description.classNames) this.classNames = description.classNames;
    this.#paths = paths;
    this.#labels = labels;
  }

  get length(): number {
    return this.#paths.length;
  }

  label(index: number): number {
    return this.#labels[index];
  }

  source(index: number): { kind: 'file'; path: string } {
    return { kind: 'file', path: this.#paths[index] };
  }

  sampleName(index: number): string {
    return this.#paths[index];
  }

  image(index: number): Promise<Image> {
    return decodeFile(this.#paths[index]);
  }

  async keys(): Promise<readonly string[]> {
    const names = this.#paths.map((path) => basename(path));
    if (names.length > MANY_FILES) return names;
    const keys: string[] = new Array(names.length);
    const lanes = Array.from({ length: 32 }, async (_, lane) => {
      for (let i = lane; i < names.length; i += 32) {
        try {
          keys[i] = `${names[i]}:${(await stat(this.#paths[i])).size}`;
        } catch (cause) {
          throw fileError(this.#paths[i], 'reading', cause);
        }
      }
    });
    await Promise.all(lanes);
    return keys;
  }

  fingerprint(): Promise<string> {
    return fingerprintOf(this);
  }
}

/** Some samples of another set, in the given order. */
export class SubsetDataset implements Dataset {
  readonly name: string;
  readonly spec: string;
  readonly classes: number;
  readonly classNames?: readonly string[];
  readonly storage: 'memory' | 'files';
  readonly #of: Dataset;
  readonly #indices: Uint32Array;

  constructor(of: Dataset, indices: Uint32Array, name: string) {
    this.name = name;
    this.spec = of.spec;
    this.classes = of.classes;
    if (of.classNames) this.classNames = of.classNames;
    this.storage = of.storage;
    this.#of = of;
    this.#indices = indices;
  }

  get length(): number {
    return this.#indices.length;
  }

  label(index: number): number {
    return this.#of.label(this.#indices[index]);
  }

  source(index: number): Source {
    return this.#of.source(this.#indices[index]);
  }

  sampleName(index: number): string {
    return this.#of.sampleName(this.#indices[index]);
  }

  image(index: number): Promise<Image> {
    return this.#of.image(this.#indices[index]);
  }

  async keys(): Promise<readonly string[]> {
    const keys = await this.#of.keys();
    return Array.from(this.#indices, (i) => keys[i]);
  }

  fingerprint(): Promise<string> {
    return fingerprintOf(this);
  }
}
