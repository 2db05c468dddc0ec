import { type NameMap, SAME } from './naming.js';

/** The file may have auxiliary classifiers that were not asked for: no other output depends on them. */
const TORCHVISION: NameMap = { ...SAME, ignored: /^aux[12]\./ };

export const GOOGLENET = { torchvision: TORCHVISION } as const;
