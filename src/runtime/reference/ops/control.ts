/** If runs one branch; Dropout is the identity here. */
import { UnsupportedError } from '../../../base/errors.js';
import type { RefRule } from '../call.js';

export const ifRule: RefRule = (call) => {
  const taken = call.scalar(0) !== 0 ? 'then_branch' : 'else_branch';
  const branch = call.node.attributes.get(taken);
  if (branch?.type !== 'graph') return call.fail(`attribute ${taken}`, 'a graph', branch?.type ?? 'none');
  return call.run(branch.value);
};

/** @throws UnsupportedError in training mode with a ratio above 0: its mask is random, so it has no reference. */
export const dropout: RefRule = (call) => {
  const x = call.input(0);
  const training = call.opset >= 12 && call.inputs[2] !== undefined && call.scalar(2) !== 0;
  const ratio = call.inputs[1] ? call.scalar(1) : 0.5;
  if (training && ratio !== 0)
    throw new UnsupportedError({
      problem: `${call.node.describe()}: the reference interpreter draws no random mask`,
      expected: 'ratio 0 or training_mode false',
      found: `ratio ${ratio}`,
    });
  // The mask has the input's type before opset 10.
  const dataType =
    call.opset >= 10 || x.dataType === 'int64' || x.dataType === 'uint64' ? 'bool' : x.dataType;
  return [x, { dataType, dims: x.dims, data: new Float64Array(x.data.length).fill(1) }];
};
