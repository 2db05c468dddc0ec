import { REFOCUS_DEFAULTS, type RefocusOptions } from '../src/finetune/options.js';
import { type FlagsFor, integer, oneOf, texts } from './flags.js';
import { GROUPS } from './groups.js';

const method = { group: GROUPS.method } as const;

export const formFlag = {
  kind: oneOf('auto', 'explicit', 'gram'),
  describe:
    "How maps are trained; gram: the same kernels with a state of the kernels' size; auto: where it holds and is smaller",
  default: REFOCUS_DEFAULTS.form,
  ...method,
} as const;

/** Which structure convolutions get, and which convolutions. */
export const methodFlags = {
  method: {
    kind: oneOf('refconv'),
    describe: 'Training-time structure',
    default: REFOCUS_DEFAULTS.method,
    ...method,
  },
  mapKernel: {
    kind: integer(1, { odd: true }),
    describe: 'Kernel of the refocusing map',
    default: REFOCUS_DEFAULTS.mapKernel,
    ...method,
  },
  init: {
    kind: oneOf('zero', 'xavier'),
    describe: 'Start of the map: zero begins at the checkpoint, xavier as published',
    default: REFOCUS_DEFAULTS.init,
    ...method,
  },
  include: {
    kind: texts('GLOB', 'a pattern'),
    describe: 'Only convolutions whose node or weight is named so; may be given several times',
    default: REFOCUS_DEFAULTS.include,
    ...method,
  },
  exclude: {
    kind: texts('GLOB', 'a pattern'),
    describe: 'No convolutions whose node or weight is named so; may be given several times',
    default: REFOCUS_DEFAULTS.exclude,
    ...method,
  },
} as const satisfies FlagsFor<Pick<RefocusOptions, 'method' | 'mapKernel' | 'init' | 'include' | 'exclude'>>;
