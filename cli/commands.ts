import type { Command } from './command.js';
import { evaluate } from './commands/eval.js';
import { expand } from './commands/expand.js';
import { inspect } from './commands/inspect.js';
import { refocus } from './commands/refocus.js';
import { train } from './commands/train.js';
import { zooBuild } from './commands/zoo-build.js';
import { zooList } from './commands/zoo-list.js';

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [refocus, train, evaluate, zooList, zooBuild, inspect, expand];
