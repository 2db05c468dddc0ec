import { UsageError } from '../base/errors.js';
import { didYouMean } from '../base/nearest.js';
import type { Dataset } from './dataset.js';
import { CIFAR, cifarParts, openCifar } from './formats/cifar.js';
import { openShapes, parseShapes } from './shapes/shapes.js';

export interface OpenOptions {
  readonly role: 'train' | 'eval';
}

export async function openDataset(spec: string, options: OpenOptions): Promise<Dataset> {
  const colon = spec.indexOf(':');
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const rest = colon < 0 ? '' : spec.slice(colon + 1);
  if (kind === 'shapes') return openShapes(parseShapes(rest), options.role, spec);
  if (kind === 'cifar10' || kind === 'cifar100') {
    const parts = await cifarParts(rest);
    const files = options.role === 'train' ? parts.train : parts.test;
    return openCifar(kind, rest, files.length ? files : [...parts.train, ...parts.test], {
      name: spec,
      spec,
    });
  }
  throw new UsageError({
    problem: `no such data '${kind}'`,
    hint: didYouMean(kind, ['shapes', ...Object.keys(CIFAR)]) ?? '',
  });
}
