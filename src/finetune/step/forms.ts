import { UsageError } from '../../base/errors.js';
import { sizeOf } from '../../onnx/index.js';
import type { RefConvShape } from '../../reparam/index.js';
import type { RefocusedKernel } from './prepare.js';

/** How a refocused kernel is trained: by its map, or in the Gram form (src/reparam/algebra/gram.ts). */
export type KernelForm = 'explicit' | 'gram';

/** auto: the Gram form where it holds and is smaller, else the explicit one. */
export type FormChoice = KernelForm | 'auto';

/**
 * The form of every refocused kernel.
 * @param nonlinear why the update is no linear function of the gradients, which the Gram form needs; undefined: it is one
 * @throws UsageError when the Gram form is asked for and cannot hold
 */
export function chooseForms(
  kernels: readonly RefocusedKernel[],
  choice: FormChoice,
  nonlinear: string | undefined,
): Map<RefocusedKernel, KernelForm> {
  return new Map(
    kernels.map((kernel): [RefocusedKernel, KernelForm] => {
      if (choice === 'explicit') return [kernel, 'explicit'];
      const obstacle = nonlinear ?? sharedMap(kernel);
      if (choice === 'auto')
        return [kernel, obstacle === undefined && gramIsSmaller(kernel.shape) ? 'gram' : 'explicit'];
      if (obstacle !== undefined)
        throw new UsageError({
          problem: `--form gram for layer '${kernel.layer}': ${obstacle}`,
          expected: 'an update that is linear in the gradient of a map of its own',
          hint: '--form auto takes the Gram form where it holds',
        });
      return [kernel, 'gram'];
    }),
  );
}

/**
 * Whether Z, P₀ and K hold fewer values than the map. Never for dense convolutions (c = 1) and few channels per group; for
 * 3×3 kernels and maps from 5 channels on.
 */
export function gramIsSmaller({ n, groups, kernel, mapDims }: RefConvShape): boolean {
  const area = sizeOf(kernel);
  return 2 * n * area + groups * area * area < sizeOf(mapDims);
}

function sharedMap({ map }: RefocusedKernel): string | undefined {
  const readers = map.value.consumers;
  return readers.length > 1
    ? `its map is read by ${readers.map((n) => n.describe()).join(' and ')}, and Z stands for that of one layer`
    : undefined;
}
