import type { Command } from './command.js';
import { doctor } from './commands/doctor.js';
import { evaluate } from './commands/eval.js';
import { expand } from './commands/expand.js';
import { fuse } from './commands/fuse.js';
import { inspect } from './commands/inspect.js';
import { refocus } from './commands/refocus.js';
import { train } from './commands/train.js';
import { verify } from './commands/verify.js';
import { zooBuild } from './commands/zoo-build.js';
import { zooList } from './commands/zoo-list.js';
import { zooPull } from './commands/zoo-pull.js';

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  refocus,
  train,
  evaluate,
  zooList,
  zooBuild,
  zooPull,
  inspect,
  expand,
  fuse,
  verify,
  doctor,
];
