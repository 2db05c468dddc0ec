import { expect } from 'vitest';
import { deployed } from '../../src/finetune/run/deployed.js';
import { loadModel } from '../../src/onnx/index.js';
import { findTrainingNodes } from '../../src/runtime/index.js';
import { golden, goldenTest } from '../support/goldens.js';

for (const net of ['alexnet', 'efficientnet_narrow', 'mobilenet_v3_small'])
  goldenTest(`${net}, exported in training mode, is deployed in inference mode`, async () => {
    const model = await loadModel(golden('onnx-export', net, 'script17_train.onnx'));
    const before = findTrainingNodes(model);
    expect(before.batchNorms.length + before.dropouts.length).toBeGreaterThan(0);
    expect(findTrainingNodes(deployed(model))).toEqual({ batchNorms: [], dropouts: [], random: [] });
    expect(findTrainingNodes(model), 'the model given stays as it is').toEqual(before);
  });
