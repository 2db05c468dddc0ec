import type { VerifyReport } from '../reparam/index.js';
import { count, percent, small } from './format.js';

/** What verifying two models found, as text: the answer first, then the numbers, then why not. */
export function verifyText(a: string, b: string, report: VerifyReport): string {
  const { equivalent, problems, outputs, samples, tolerance, top1Agreement, flips, weights, worstNode } =
    report;
  const lines = [`${a} and ${b} are ${equivalent ? 'equivalent' : 'NOT equivalent'}`];
  for (const o of outputs)
    lines.push(
      `  output ${o.name}: largest error ${small(o.maxRelative)} of its scale (limit ${small(tolerance)}), ${small(o.maxAbsolute)} absolute, ${count(samples)} samples`,
    );
  if (top1Agreement !== null)
    lines.push(`  top-1 agreement ${percent(top1Agreement)}${flips > 0 ? ` (${count(flips)} differ)` : ''}`);
  if (weights.length > 0) {
    const worst = weights.reduce((m, w) => Math.max(m, w.maxRelative), 0);
    lines.push(
      `  ${weights.length} computed ${weights.length === 1 ? 'kernel' : 'kernels'} against the stored ones in float64: largest error ${small(worst)}`,
    );
  }
  const apart = !equivalent || outputs.some((o) => o.maxRelative > 0);
  if (worstNode !== null && apart)
    lines.push(`  ${equivalent ? 'largest difference' : 'they part'} at ${worstNode}`);
  return [...lines, ...problems.map((p) => `  ${p}`)].join('\n');
}
