import type { Command } from './command.js';
import { zooList } from './commands/zoo-list.js';

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [zooList];
