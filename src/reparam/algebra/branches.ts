/**
 * Parallel branches as one convolution (Ding et al., RepVGG, 2021, arXiv:2101.03697, section 3.3; ACNet, 2019,
 * arXiv:1908.03930): the sum of convolutions of one input with the same output map is the convolution by the sum of their
 * kernels, each shifted to where its taps read and filled with zeros around. A smaller padding moves a kernel inwards; a
 * passed input is a kernel of one tap, 1 on the diagonal; fewer groups hold more groups as blocks of a larger kernel.
 */

/** One branch: y = a·(W*x + b) + c per channel, all of it in `kernel` and `bias` already. */
export interface BranchKernel {
  /** [O, I/g, …k]; undefined: the input itself, times `scale`. */
  readonly kernel: Float64Array | undefined;
  /** Factor per channel of a branch without kernel, [O]. */
  readonly scale: Float64Array;
  /** [O] */
  readonly bias: Float64Array;
  readonly window: BranchWindow;
  readonly groups: number;
}

/** Per spatial axis. */
export interface BranchWindow {
  readonly size: readonly number[];
  readonly dilation: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export interface MergedWindow extends BranchWindow {
  readonly groups: number;
}

/**
 * The smallest window that holds all of the branches' taps; or why there is none. Branches have equal strides.
 * @param branches at least one with a kernel
 */
export function mergeWindows(
  branches: readonly Pick<BranchKernel, 'window' | 'groups' | 'kernel'>[],
): MergedWindow | string {
  const axes = branches[0].window.size.length;
  const size: number[] = [];
  const dilation: number[] = [];
  const before: number[] = [];
  const after: number[] = [];
  for (let axis = 0; axis < axes; axis++) {
    const taps = branches.map(({ window: w }) => ({
      k: w.size[axis],
      d: w.dilation[axis],
      before: w.before[axis],
      after: w.after[axis],
    }));
    const margins = new Set(taps.map((t) => t.before + t.after - t.d * (t.k - 1)));
    if (margins.size > 1) return 'their output maps have different sizes';
    const [margin] = margins;
    const begin = Math.max(...taps.map((t) => t.before));
    const end = Math.max(...taps.map((t) => t.after));
    const steps = taps.flatMap((t) => (t.k > 1 ? [begin - t.before, t.d] : [begin - t.before]));
    const step = steps.reduce(greatestCommonDivisor, 0) || 1;
    size.push((begin + end - margin) / step + 1);
    dilation.push(step);
    before.push(begin);
    after.push(end);
  }
  const groups = branches.reduce((g, b) => (b.kernel ? greatestCommonDivisor(g, b.groups) : g), 0);
  return { size, dilation, before, after, groups };
}

/**
 * The merged kernel [O, I/g, …k] and bias [O].
 * @param inputs I
 */
export function mergeBranches(
  branches: readonly BranchKernel[],
  merged: MergedWindow,
  inputs: number,
): { readonly kernel: Float64Array; readonly bias: Float64Array } {
  const outputs = branches[0].bias.length;
  const perGroup = inputs / merged.groups;
  const area = product(merged.size);
  const kernel = new Float64Array(outputs * perGroup * area);
  const bias = new Float64Array(outputs);
  for (const branch of branches) {
    const { window, groups, kernel: own, scale } = branch;
    const taps = product(window.size);
    const places = Array.from({ length: taps }, (_, tap) => placeOf(tap, window, merged));
    const rows = own ? inputs / groups : 1;
    for (let o = 0; o < outputs; o++) {
      bias[o] += branch.bias[o];
      const first = own ? Math.floor((o * groups) / outputs) * rows : o;
      const target = first - Math.floor((o * merged.groups) / outputs) * perGroup;
      for (let i = 0; i < rows; i++)
        for (const [tap, place] of places.entries())
          kernel[(o * perGroup + target + i) * area + place] += own
            ? own[(o * rows + i) * taps + tap]
            : scale[o];
    }
  }
  return { kernel, bias };
}

/** Index of a branch's tap in the merged window. */
function placeOf(tap: number, window: BranchWindow, merged: MergedWindow): number {
  let place = 0;
  let rest = tap;
  let unit = 1;
  for (let axis = window.size.length - 1; axis >= 0; axis--) {
    const t = rest % window.size[axis];
    rest = Math.floor(rest / window.size[axis]);
    const at = merged.before[axis] - window.before[axis] + t * window.dilation[axis];
    place += (at / merged.dilation[axis]) * unit;
    unit *= merged.size[axis];
  }
  return place;
}

function product(list: readonly number[]): number {
  return list.reduce((p, n) => p * n, 1);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
