import { createEngine } from '../create.js';
import type { Engine } from '../engine.js';

/** An engine that runs every operator, started when it is first needed, and closed only if it was started here. */
export class LazyEngine {
  readonly #given: Engine | undefined;
  #own: Promise<Engine> | undefined;

  constructor(given?: Engine) {
    this.#given = given?.partial ? undefined : given;
  }

  get(): Promise<Engine> {
    if (this.#given) return Promise.resolve(this.#given);
    this.#own ??= createEngine();
    return this.#own;
  }

  async close(): Promise<void> {
    if (this.#own) await (await this.#own).close();
  }
}
