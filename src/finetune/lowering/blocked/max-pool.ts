/** Max pooling on blocked tensors. Where its input is an increasing function of a map, it comes first: on fewer values. */
import type { Node, Value } from '../../../onnx/index.js';
import { poolGeometry } from '../../autodiff/geometry.js';
import { type Axis, axesOf, pointAxis, poolEnd } from './geometry.js';
import type { Blocked } from './nchwc.js';
import type { BlockedContext } from './rule.js';
import type { Increasing } from './tracker.js';

export function maxPool(c: BlockedContext): boolean {
  const { t, node, shape } = c;
  const x = node.input(0);
  const dims = shape(x);
  if (dims.length !== 4 || t.isPlain(x) || node.outputs.length > 1) return false;
  const axes = axesOf(poolGeometry(node, dims), dims.slice(2), shape(node.output()).slice(2));
  const before = increasingBefore(c, x);
  const source = before?.source ?? t.clean(x);
  const largest = largestOf(
    c,
    source,
    axes,
    x.uses.some((u) => u.node.opType === 'MaxPoolGrad'),
  );
  t.setBlocked(node.output(), before ? before.of(largest, {}) : largest);
  return true;
}

/** What a max pooling may go before: increasing functions whose result nothing else needs. */
export function increasingBefore({ t }: BlockedContext, x: Value): Increasing | undefined {
  const entry = t.entry(x);
  return entry?.kind === 'pending' ? entry.pending.increasing : undefined;
}

/** Whether all readers of a value are a max pooling and gradients that can do with the largest values. */
export function onlyPooled(v: Value): boolean {
  const fits = ({ node, index }: { node: Node; index: number }): boolean =>
    node.opType === 'MaxPool' ? index === 0 : index === 1 && /^(MaxPool|Relu|Clip)Grad$/.test(node.opType);
  const pools = v.uses.filter((u) => u.node.opType === 'MaxPool');
  return !v.isOutput && pools.length === 1 && v.uses.every(fits);
}

/** From so many taps on a gradient goes through windows by rows and columns, and not tap by tap. */
const MANY_TAPS = 9;

export function goesByAxes([rows, columns]: readonly Axis[]): boolean {
  return rows.kernel * columns.kernel >= MANY_TAPS && rows.dilation * columns.dilation === 1;
}

/**
 * The largest values of windows; computed once.
 * @param differentiated whether those of the windows' rows will be asked for: they are kept where they are fewer than x
 */
export function largestOf(
  c: BlockedContext,
  x: Blocked,
  axes: readonly Axis[],
  differentiated: boolean,
): Blocked {
  const [rows, columns] = axes;
  return differentiated && goesByAxes(axes) && columns.stride > 1
    ? pooled(c, largestOfRows(c, x, axes), [rows, pointAxis(columns.out)])
    : pooled(c, x, axes);
}

/** The largest values of each row of the windows, for all rows of x, [N, Cp, H, oW]; computed once. */
export function largestOfRows(c: BlockedContext, x: Blocked, [rows, columns]: readonly Axis[]): Blocked {
  return pooled(c, x, [pointAxis(rows.size), columns]);
}

function pooled({ n, t }: BlockedContext, x: Blocked, axes: readonly Axis[]): Blocked {
  const [rows, columns] = axes;
  const dims = [...x.dims.slice(0, 2), rows.out, columns.out];
  const windows = axes.map((a) => [a.kernel, a.stride, a.dilation, a.begin, a.out]);
  const value = t.derived(x.value, `largest of ${windows}`, () =>
    n.op('MaxPool', [x.value], dims, {
      kernel_shape: axes.map((a) => a.kernel),
      strides: axes.map((a) => a.stride),
      // ceil_mode as pads at the end.
      pads: [...axes.map((a) => a.begin), ...axes.map(poolEnd)],
      dilations: axes.map((a) => a.dilation),
    }),
  );
  return { ...x, dims, value };
}
