import { InputError } from '../../base/errors.js';
import type { Model, Tensor, Value } from '../../onnx/index.js';
import type { ZooEntry } from '../entry.js';
import { type Naming, namingText } from './naming.js';

/** So many of each kind stand in the message; all of them in its details. */
const SHOWN = 6;

/** Collects what does not fit between a checkpoint and a network, and says all of it at once. */
export class Mismatch {
  readonly #file: string;
  readonly #entry: ZooEntry;
  readonly #naming: Naming;
  readonly #unknown: string[] = [];
  readonly #missing: string[] = [];
  readonly #shapes: {
    readonly key: string;
    readonly found: readonly number[];
    readonly value: Value;
    readonly type: string;
  }[] = [];
  readonly #twice: string[] = [];

  constructor(file: string, entry: ZooEntry, naming: Naming) {
    this.#file = file;
    this.#entry = entry;
    this.#naming = naming;
  }

  unknown(key: string, tensor: Tensor): void {
    this.#unknown.push(`${key} [${tensor.dims}]`);
  }

  missing(value: Value): void {
    this.#missing.push(`${value.name} [${value.shape}]`);
  }

  shape(key: string, tensor: Tensor, value: Value): void {
    this.#shapes.push({ key, found: tensor.dims, value, type: tensor.dataType });
  }

  twice(key: string, other: string, ours: string): void {
    this.#twice.push(`${other} and ${key} for ${ours}`);
  }

  /** @param model tells which initializers are the classifier's. @throws InputError when anything was collected */
  check(model: Model): void {
    const name = this.#entry.name;
    const shapes = this.#shapes.map(
      ({ key, found, value, type }) => `${key} [${found}] ${type} for ${value.name} [${value.shape}] float32`,
    );
    const kinds = (
      [
        ['that do not fit', shapes],
        [`that ${name} does not have`, this.#unknown],
        [`of ${name} that the file does not have`, this.#missing],
        ['given twice', this.#twice],
      ] as const
    ).filter(([, list]) => list.length > 0);
    if (kinds.length === 0) return;
    const sections = kinds.map(([kind, list]) => `${list.length} ${kind}: ${shortened(list)}`);
    throw new InputError({
      problem: `the weights of ${this.#file} are not those of ${name} (names as ${namingText(this.#naming)} has them)`,
      found: sections.join('; '),
      hint:
        this.#classes(model) ??
        `another network, width, number of classes or naming may fit: reparam zoo list shows the networks, reparam zoo build ${name} --weights FILE has --width, --classes, --source`,
      details: kinds.flatMap(([kind, list]) => [
        `${list.length} ${kind}:`,
        ...list.map((line) => `  ${line}`),
      ]),
    });
  }

  /** The advice where only the number of classes differs. */
  #classes(model: Model): string | undefined {
    const heads = new Set(model.graph.outputs.flatMap((o) => o.producer?.inputs.map((v) => v?.name) ?? []));
    const bias = this.#shapes.find(({ found }) => found.length === 1);
    const onlyHeads = this.#shapes.every(({ value }) => heads.has(value.name));
    if (!bias || !onlyHeads || this.#unknown.length > 0 || this.#missing.length > 0) return undefined;
    return `the checkpoint has ${bias.found[0]} classes, the network ${bias.value.shape?.[0]}: reparam zoo build ${this.#entry.name} --classes ${bias.found[0]} --weights FILE`;
  }
}

function shortened(list: readonly string[]): string {
  const more = list.length - SHOWN;
  const shown = list.slice(0, SHOWN).join(', ');
  return more > 0 ? `${shown} … and ${more} more (--verbose lists all)` : shown;
}
