import { type DataType, decodeModel, loadModel, type Model } from '../../onnx/index.js';
import type { StateBinding } from '../engine.js';
import type { Calls, ModelSource, NamedTensors, SessionNames, WireTensor } from '../worker/protocol.js';
import type { SessionServer } from '../worker/serve.js';
import { Program } from './program.js';
import { fromTf, toTf, zerosOf } from './tensors.js';
import type { Tf, TfTensor } from './tf.js';

/** The state of a step graph, which stays in TensorFlow.js's memory from step to step. */
interface State {
  readonly bindings: readonly StateBinding[];
  readonly fetch: readonly string[];
  /** By input name; a type never changes. */
  readonly types: ReadonlyMap<string, DataType>;
  readonly current: Map<string, TfTensor>;
}

interface Open {
  readonly program: Program;
  state?: State;
}

/** The sessions of TensorFlow.js. */
export class TfjsSessions implements SessionServer {
  readonly #tf: Tf;
  readonly #open = new Map<number, Open>();

  constructor(tf: Tf) {
    this.#tf = tf;
  }

  async open({ session, source }: Calls['open']['ask']): Promise<SessionNames> {
    const program = new Program(this.#tf, await read(source));
    this.#open.set(session, { program });
    return { inputs: program.inputNames, outputs: program.outputNames };
  }

  makeStep({ session, bindings, specs, fetch }: Calls['state']['ask']): null {
    const current = new Map(specs.map(([name, spec]) => [name, zerosOf(this.#tf, name, spec)]));
    const types = new Map(specs.map(([name, { dataType }]) => [name, dataType]));
    this.#get(session).state = { bindings, fetch, types, current };
    return null;
  }

  run({ session, feeds, fetch }: Calls['run']['ask']): NamedTensors {
    const { program } = this.#get(session);
    const types = typesOf(program, fetch);
    const inputs = this.#tensors(feeds);
    try {
      const outputs = program.run(inputs, fetch);
      return types.map(([name, type]) => [name, taken(outputs, name, type)] as const);
    } finally {
      dispose(inputs);
    }
  }

  step({ session, feeds }: Calls['step']['ask']): NamedTensors {
    const open = this.#get(session);
    const { program } = open;
    const { bindings, current, fetch } = stateOf(open);
    const types = typesOf(program, fetch);
    const inputs = this.#tensors(feeds);
    try {
      const wanted = [...new Set([...fetch, ...bindings.map((b) => b.output)])];
      const outputs = program.run(new Map([...inputs, ...current]), wanted);
      const kept = new Set(bindings.map((b) => b.output));
      const results = types.map(
        ([name, type]) => [name, taken(outputs, name, type, kept.has(name))] as const,
      );
      for (const { input, output } of bindings) {
        const next = outputs.get(output);
        if (!next) throw new Error(`there is no tensor '${output}'`);
        current.get(input)?.dispose();
        current.set(input, next);
      }
      return results;
    } finally {
      dispose(inputs);
    }
  }

  readState({ session }: Calls['readState']['ask']): NamedTensors {
    const { current, types } = stateOf(this.#get(session));
    return Array.from(current, ([name, t]) => [name, fromTf(t, types.get(name) ?? 'float32')] as const);
  }

  writeState({ session, state }: Calls['writeState']['ask']): null {
    const { current } = stateOf(this.#get(session));
    for (const [name, next] of this.#tensors(state)) {
      current.get(name)?.dispose();
      current.set(name, next);
    }
    return null;
  }

  release({ session }: Calls['release']['ask']): null {
    const open = this.#open.get(session);
    this.#open.delete(session);
    open?.program.dispose();
    if (open?.state) dispose(open.state.current);
    return null;
  }

  #get(number: number): Open {
    const open = this.#open.get(number);
    if (!open) throw new Error(`session ${number} is not open`);
    return open;
  }

  #tensors(named: NamedTensors): Map<string, TfTensor> {
    const made = new Map<string, TfTensor>();
    try {
      for (const [name, wire] of named)
        made.set(name, toTf(this.#tf, name, wire, new Uint8Array(wire.buffer)));
      return made;
    } catch (error) {
      dispose(made);
      throw error;
    }
  }
}

/** Element types of outputs; read before a run, so that nothing is left in memory where one is not declared. */
function typesOf(program: Program, names: readonly string[]): (readonly [name: string, type: DataType])[] {
  return names.map((name) => [name, program.outputType(name)] as const);
}

/** Takes an output out of TensorFlow.js's memory; one that is state stays there, too. */
function taken(
  outputs: ReadonlyMap<string, TfTensor>,
  name: string,
  type: DataType,
  keep = false,
): WireTensor {
  const tensor = outputs.get(name);
  if (!tensor) throw new Error(`there is no tensor '${name}'`);
  const wire = fromTf(tensor, type);
  if (!keep) tensor.dispose();
  return wire;
}

function read(source: ModelSource): Promise<Model> | Model {
  return source.kind === 'file' ? loadModel(source.path) : decodeModel(source.bytes);
}

function stateOf(open: Open): State {
  if (!open.state) throw new Error('the session has no state');
  return open.state;
}

function dispose(tensors: ReadonlyMap<string, TfTensor>): void {
  for (const t of tensors.values()) t.dispose();
}
