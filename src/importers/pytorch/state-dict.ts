import { InputError } from '../../base/errors.js';
import type { StridedTensor, TorchValue } from './host.js';
import { isKind } from './pickle.js';

/** Where training scripts put the weights in what they save beside them (optimizer, epoch, best accuracy). */
const SECTIONS = ['state_dict', 'model_state_dict', 'model', 'net', 'weights', 'params'] as const;

/**
 * The named tensors of what a file holds: a state dict, or a dict that has one. What stands beside tensors (a version, an
 * epoch) is left out.
 * @throws InputError where there is none, or more than one that could be meant
 */
export function findStateDict(value: TorchValue, path: string): Map<string, StridedTensor> {
  const direct = namedTensors(value);
  if (direct.size > 0) return direct;
  const inner: [name: string, tensors: Map<string, StridedTensor>][] = [];
  if (isKind(value, 'map'))
    for (const [key, entry] of value.entries) {
      const tensors = namedTensors(entry);
      if (typeof key === 'string' && tensors.size > 0) inner.push([key, tensors]);
    }
  for (const section of SECTIONS) {
    const found = inner.find(([name]) => name === section);
    if (found) return found[1];
  }
  if (inner.length === 1) return inner[0][1];
  throw new InputError({
    problem: `${path} holds no state dict that can be told`,
    expected: `names and tensors, or one of ${SECTIONS.join(', ')} with them`,
    found: inner.length > 0 ? inner.map(([name]) => name).join(', ') : contents(value),
    hint: "save the weights alone in Python: torch.save(model.state_dict(), 'weights.pth')",
  });
}

function namedTensors(value: TorchValue): Map<string, StridedTensor> {
  const tensors = new Map<string, StridedTensor>();
  if (!isKind(value, 'map')) return tensors;
  for (const [key, entry] of value.entries)
    if (typeof key === 'string' && isKind(entry, 'hosted') && entry.value.kind === 'tensor')
      tensors.set(key, entry.value);
  return tensors;
}

function contents(value: TorchValue): string {
  if (!isKind(value, 'map')) return 'no dict';
  const keys = [...value.entries.keys()].filter((k) => typeof k === 'string');
  return keys.length === 0 ? 'an empty dict' : `a dict of ${keys.slice(0, 8).join(', ')}`;
}
