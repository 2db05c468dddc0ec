import type { Model } from '../../onnx/index.js';
import { restoreBatchNorm } from '../../reparam/index.js';
import type { Workbench } from './workbench.js';

/** Images that the restored statistics are measured on. */
const CALIBRATION_IMAGES = 512;

/**
 * A model that trains stably: where its BatchNormalization was folded into the convolutions, one is put back behind
 * each, calibrated on training images so that the function stays the same. Fusing folds them again.
 */
export async function restoreFoldedNorms(model: Model, bench: Workbench): Promise<Model> {
  const { model: restored, inserted } = await restoreBatchNorm(model, {
    engine: bench.init.host,
    batches: bench.networkInputs(model, CALIBRATION_IMAGES),
  });
  if (inserted.length === 0) return model;
  bench.init.listener({
    type: 'log',
    level: 'info',
    message: `put a BatchNormalization back behind ${inserted.length} convolutions whose own was folded, calibrated on training images; fusing folds them again`,
  });
  return restored;
}
