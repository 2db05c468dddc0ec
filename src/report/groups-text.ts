import type { RefocusReport } from '../finetune/results.js';
import { count, short } from './format.js';

/** What parameter groups set, and for how much, one line each. */
export function groupLines(groups: RefocusReport['groups']): string[] {
  return groups.map(({ pattern, lr, decay, frozen, tensors, values }) => {
    const settings = [
      lr === undefined ? undefined : `learning rate × ${lr}`,
      decay === undefined ? undefined : `weight decay ${decay}`,
      frozen ? 'frozen' : undefined,
    ];
    return `${pattern}: ${settings.filter(Boolean).join(', ')} (${count(tensors)} tensors, ${short(values)} values)`;
  });
}
