import { checkNetwork } from './check-network.js';

for (const [name, options] of [
  ['resnet18', { width: 0.125 }],
  ['resnet18', { width: 0.125, zeroGamma: true }],
  ['resnet34', { width: 0.125 }],
  ['resnet50', { width: 0.125 }],
  ['resnet50', { width: 0.125, variant: 'v1' }],
  ['resnet20', { width: 0.5 }],
  ['resnet20', { width: 0.5, shortcut: 'B' }],
  ['mobilenetv2', { width: 0.25 }],
  ['mobilenetv3large', { width: 0.25 }],
  ['mobilenetv3small', { width: 0.25 }],
] as const)
  checkNetwork({ name, options: { ...options, size: 32 } });
