/** Pad: each output position reads the input where `padSources` says, or the constant. */
import { padAttributes, padSources } from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { stridesOf } from '../strides.js';
import { checkedSize, produce, sameKind } from '../tensor.js';

export const pad: RefRule = (call) => {
  const x = call.input(0);
  const rank = x.dims.length;
  const attributes = padAttributes(call.node, rank, call.known);
  const { mode } = attributes;
  const pads = attributes.pads ?? call.fail('pads are missing');
  const begin = pads.slice(0, rank);
  const end = pads.slice(rank);
  const cut = begin.map((b, d) => Math.max(0, -b) + Math.max(0, -end[d]));
  const dims = x.dims.map((n, d) => n + begin[d] + end[d]);
  for (const [d, n] of dims.entries()) {
    if (n < 0 || x.dims[d] < cut[d])
      call.fail('pads', `at most ${x.dims[d]} elements cut on axis ${d}`, `${cut[d]}`);
    if (mode !== 'constant' && x.dims[d] - cut[d] <= 0 && n > 0)
      call.fail('pads', `elements to take from on axis ${d}`, 'none');
  }
  checkedSize(dims);
  const tables = x.dims.map((n, d) => padSources(mode, n, begin[d], end[d]));
  const strides = stridesOf(x.dims);
  const outStrides = stridesOf(dims);
  const fill = constantOf(call);
  return [
    produce(x, dims, (from, to) => {
      for (let i = 0; i < to.length; i++) {
        let at = 0;
        for (let d = 0; d < rank && at >= 0; d++) {
          const s = tables[d][Math.floor(i / outStrides[d]) % dims[d]];
          at = s < 0 ? -1 : at + s * strides[d];
        }
        if (at >= 0) to[i] = from[at];
        else if (fill !== undefined) to[i] = fill;
      }
    }),
  ];
};

/** The constant as an element of the input's kind; undefined: zero. */
function constantOf(call: Call): number | bigint | undefined {
  if (call.opset < 11) return call.node.float('value', 0);
  const t = call.inputs[2];
  if (!t || t.data.length === 0) return undefined;
  const x = call.input(0);
  if (!sameKind(t, x)) call.fail('constant_value', x.dataType, t.dataType);
  return t.data[0];
}
