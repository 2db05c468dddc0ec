/** Exported networks: what is inferred is what the files say of their values, and what came out when they ran. */
import { readdirSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { checkModel, inferTypes, loadModel, staticShape } from '../../../src/onnx/index.js';
import { readNpy } from '../../support/arrays.js';
import { golden, goldenTest, haveGoldens, sharedFile } from '../../support/goldens.js';

/** Files with value_info of all or most values, of both exporters. */
const networks = haveGoldens ? readdirSync(golden('onnx-export')) : [];

describe('exported networks', () => {
  goldenTest(
    'every one passes the strict check, and every value gets static dims once the input has',
    async () => {
      const open: string[] = [];
      const wrong: string[] = [];
      let compared = 0;
      let declared = 0;
      for (const name of networks)
        for (const file of readdirSync(golden('onnx-export', name)).filter((n) => n.endsWith('.onnx'))) {
          const model = await loadModel(golden('onnx-export', name, file));
          checkModel(model);
          const input = model.graph.requiredInputs[0];
          const dims = readNpy(golden('onnx-export', name, 'input.npy')).dims;
          const { types } = inferTypes(model, { inputShapes: new Map([[input.name, dims]]) });
          for (const node of model.graph.nodes)
            for (const value of node.outputs) {
              if (value.name === '') continue;
              const shape = staticShape(types.get(value));
              compared++;
              if (!shape) {
                open.push(`${name}/${file}: ${node.describe()}`);
                continue;
              }
              // The file's own words, as far as they are numbers.
              const old = value.type?.kind === 'tensor' ? value.type.shape : undefined;
              if (!old) continue;
              declared++;
              if (old.length !== shape.length || old.some((d, i) => typeof d === 'number' && d !== shape[i]))
                wrong.push(`${name}/${file}: ${node.describe()}: [${shape}], declared [${old}]`);
            }
          const own = `${file.replace('.onnx', '')}.output.npy`;
          const output = readdirSync(golden('onnx-export', name)).includes(own) ? own : 'output.npy';
          expect(staticShape(types.get(model.graph.outputs[0])), `${name}/${file}`).toEqual(
            readNpy(golden('onnx-export', name, output)).dims,
          );
        }
      expect(open).toEqual([]);
      expect(wrong).toEqual([]);
      expect(compared).toBeGreaterThan(8000);
      expect(declared).toBeGreaterThan(2000);
    },
  );

  for (const file of [
    'checkpoints/ultraface-rfb320/version-RFB-320.onnx',
    'checkpoints/squeezenet-fp16/SqueezeNet_fp16.onnx',
    'checkpoints/derived/resnet20_cifar10_bn.onnx',
  ])
    goldenTest(file, async () => checkModel(await loadModel(sharedFile(file))));
});
