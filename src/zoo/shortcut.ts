import type { Value } from '../onnx/index.js';
import type { Network } from './network.js';

const INT64_MAX = 9223372036854775807n;

export interface PadShortcut {
  readonly stride: number;
  /** Channels of zeros before x's and after. */
  readonly before: number;
  readonly after: number;
}

/** Shortcut A of He et al. 2015, section 4.1: every stride-th pixel, and zeros for the channels that x lacks. */
export function padShortcut(net: Network, path: string, x: Value, how: PadShortcut): Value {
  const b = net.builder;
  const { stride, before, after } = how;
  let y = x;
  if (stride > 1)
    y = b.op(
      'Slice',
      [x, b.i64([0, 0]), b.i64([INT64_MAX, INT64_MAX]), b.i64([2, 3]), b.i64([stride, stride])],
      {},
      { name: `${path}.slice` },
    );
  if (before === 0 && after === 0) return y;
  const pads = b.i64([0, before, 0, 0, 0, after, 0, 0]);
  return b.op('Pad', [y, pads], { mode: 'constant' }, { name: `${path}.pad` });
}
