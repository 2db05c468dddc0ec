import type { OptimOptions } from './options.js';

/**
 * The learning rate of each step. Warm-up is linear from lr/W to lr over the first W steps; then
 *   cosine:    lr·(1 + cos(π·t/T))/2 over the T steps left, t from 0 (torch CosineAnnealingLR with eta_min 0, per step)
 *   step:      lr·γ^⌊epoch/stepEpochs⌋;   multistep: lr·γ^(milestones passed);   constant: lr.
 * @param step 0-based step of the run
 */
export function learningRate(options: OptimOptions, step: number, stepsPerEpoch: number): number {
  const total = options.epochs * stepsPerEpoch;
  const warmup = Math.round(options.warmupEpochs * stepsPerEpoch);
  if (step < warmup) return (options.lr * (step + 1)) / warmup;
  const epoch = Math.floor(step / stepsPerEpoch);
  switch (options.schedule) {
    case 'cosine': {
      const left = total - warmup;
      return (options.lr * (1 + Math.cos((Math.PI * (step - warmup)) / left))) / 2;
    }
    case 'step':
      return options.lr * options.gamma ** Math.floor(epoch / options.stepEpochs);
    case 'multistep':
      return options.lr * options.gamma ** options.milestones.filter((m) => epoch >= m).length;
    case 'constant':
      return options.lr;
  }
}
