/**
 * A process that runs two tiny graphs on a device and prints what came of it. It is a process of its own because what the
 * device's driver says goes to standard error from native code, and because a driver may take its process down with it.
 */
import { encodeModel, Graph, GraphBuilder, Model, Tensor, tensorType } from '../../onnx/index.js';
import type { Device } from '../engine.js';
import { loadRuntime, type Ort } from './load.js';
import type { ProbeResult } from './probe.js';
import { PROVIDERS } from './providers.js';

const DEVICES: readonly Device[] = ['cpu', 'webgpu', 'cuda'];
const device = DEVICES.find((d) => d === process.argv[2]);
if (!device) throw new Error(`a device was expected, not '${process.argv[2]}'`);

function print(result: ProbeResult): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** y = x + [1, 2, 3, 4] */
function sum(type: 'float32' | 'float16'): Uint8Array {
  const graph = new Graph('probe');
  const x = graph.addInput('x', tensorType(type, [4]));
  const words = Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400);
  const w = graph.addInitializer(
    'w',
    type === 'float32'
      ? Tensor.float32([4], [1, 2, 3, 4])
      : Tensor.raw('float16', [4], new Uint8Array(words.buffer)),
  );
  const y = new GraphBuilder(graph, 20).op('Add', [x, w], {}, { outputs: ['y'] });
  y.type = tensorType(type, [4]);
  graph.addOutput(y);
  return encodeModel(new Model(graph, 20));
}

async function run(ort: typeof Ort, on: Device, x: Ort.Tensor): Promise<string> {
  const type = x.type === 'float16' ? 'float16' : 'float32';
  const options = { executionProviders: [PROVIDERS[on].execution], logSeverityLevel: 4 } as const;
  const session = await ort.InferenceSession.create(sum(type), options);
  const { y } = await session.run({ x });
  return `${y.data}`;
}

const ort = await loadRuntime();
try {
  const y = await run(ort, device, new ort.Tensor('float32', Float32Array.of(1, 1, 1, 1), [4]));
  if (y !== '2,3,4,5') throw new Error(`1 + [1, 2, 3, 4] is [${y}]`);
  const half = new ort.Tensor('float16', new Uint16Array(4).fill(0x3c00), [4]);
  const float16 = await run(ort, device, half).then(
    (h) => h === `${Uint16Array.of(0x4000, 0x4200, 0x4400, 0x4500)}`,
    () => false,
  );
  print({ ok: true, float16 });
} catch (error) {
  print({ ok: false, message: error instanceof Error ? error.message : String(error) });
}
// The native library's threads need not be waited for.
process.exit(0);
