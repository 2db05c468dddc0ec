import { REFOCUS_DEFAULTS } from '../../src/finetune/options.js';
import { command } from '../command.js';
import { integer, type Kind, number, oneOf } from '../flags.js';
import { GROUPS } from '../groups.js';
import { readModel } from '../read-model.js';
import { dataFlags, deviceFlags } from '../shared-flags.js';

const group = GROUPS.method;

/** `input=1,3,224,224`, given once for each input. */
const shapes: Kind<readonly { readonly input: string; readonly dims: readonly number[] }[]> = {
  expected: 'NAME=N,N,…, such as input=1,3,224,224',
  placeholder: 'NAME=N,N,…',
  repeated: true,
  parse: (text) => {
    const [, input, list] = /^(.+)=(\d+(?:,\d+)*)$/s.exec(text) ?? [];
    if (input === undefined) return undefined;
    const dims = list.split(',').map(Number);
    return dims.every((d) => Number.isSafeInteger(d) && d > 0) ? [{ input, dims }] : undefined;
  },
};

export const verify = command({
  name: 'verify',
  describe:
    'Whether two models compute the same: on random inputs, on real ones, and by the algebra of their kernels',
  positionals: [
    { name: 'a', describe: 'an ONNX file, the reference' },
    { name: 'b', describe: 'an ONNX file to compare with it' },
  ],
  flags: {
    tolerance: {
      kind: number({ above: 0, below: 1 }),
      describe: 'Largest error, relative to the scale of each output of each sample',
      default: REFOCUS_DEFAULTS.tolerance,
      group,
    },
    samples: {
      kind: integer(1),
      describe: 'Random samples; with --data, images at most [default: 8; with --data 256]',
      maybe: true,
      group,
    },
    seed: { kind: integer(0), describe: 'Seed of the random inputs', default: 0, group },
    inputShape: {
      kind: shapes,
      describe: 'Shape of an input that the model leaves open; may be given several times',
      default: [],
      group,
    },
    data: { ...dataFlags.data, describe: 'Compare on images of a data set, in place of random inputs' },
    preprocess: dataFlags.preprocess,
    ...deviceFlags,
    device: {
      ...deviceFlags.device,
      kind: oneOf('cpu', 'webgpu', 'cuda'),
      describe: 'Where both models run; reparam doctor shows what is there',
      default: 'cpu',
    },
  },
  examples: [
    ['verify training.onnx fused.onnx', 'exit code 0: equivalent, 1: not'],
    ['verify a.onnx b.onnx --data imagefolder:DIR --samples 1000', 'on real images'],
  ],
  run: async (args, context) => {
    const { deviceToVerifyOn, verify: verifyModels } = await import('../../src/reparam/index.js');
    const { createEngine } = await import('../../src/runtime/index.js');
    const { verifyText } = await import('../../src/report/verify-text.js');
    const [a, b] = [await readModel(args.a, context), await readModel(args.b, context)];
    const { data, preprocess, samples, threads } = args;
    const { realInputs } = await import('../../src/finetune/real-inputs.js');
    const images = (count: number) =>
      data === undefined
        ? undefined
        : realInputs(a, { data, images: count, ...(preprocess !== undefined && { preprocess }) });
    const { seed, tolerance, engine: runtime, device, allowSoftware } = args;
    const inputShapes = Object.fromEntries(args.inputShape.map((s) => [s.input, s.dims]));
    const ofThreads = threads !== undefined && { threads };
    const host = await createEngine({ ...(runtime === 'tfjs' && { engine: runtime, device }), ...ofThreads });
    let engine = host;
    try {
      if (runtime !== 'tfjs' && device !== 'cpu') {
        const few = images(2);
        const how = { seed, inputShapes, ...(few && { batches: few }) };
        const chosen = await deviceToVerifyOn(host, [a, b], { device, allowSoftware, ...ofThreads }, how);
        engine = chosen.engine;
        context.log(`runs on ${engine.name}: ${chosen.reasons.join('; ')}`);
      }
      const all = images(samples ?? 256);
      const report = await verifyModels(a, b, engine, {
        tolerance,
        seed,
        inputShapes,
        ...(all ? { batches: all, samples: 0 } : samples !== undefined && { samples }),
      });
      return {
        json: report,
        text: verifyText(args.a, args.b, report),
        exitCode: report.equivalent ? 0 : 1,
      };
    } finally {
      await engine.close();
      if (engine !== host) await host.close();
    }
  },
});
