import { join } from 'node:path';
import { packageRoot } from '../../src/base/package.js';
import type { Arguments } from './arguments.js';
import type { Peer } from './cases.js';
import type { Command } from './run-process.js';

/** How a peer is run. */
export interface PeerProgram {
  /** Ends with code 0 where the peer can be measured, and is quick where it cannot. */
  readonly probe: Command;
  /** What the probe looks for, for people. */
  readonly needs: string;
  /** Trains the task in a folder and prints a process report. */
  readonly command: (folder: string) => Command;
}

type Programs = Pick<Arguments, 'python' | 'tfPython' | 'tfjs'>;

export function peerProgram(peer: Peer, { python, tfPython, tfjs }: Programs): PeerProgram {
  const script = (name: string): string => join(packageRoot(), 'bench', 'peers', name);
  const torch = (side: string) => (folder: string) =>
    [python, '-B', script('step.py'), folder, side] as const;
  switch (peer) {
    case 'eager':
    case 'channels_last':
      return {
        probe: [python, '-c', 'import torch, numpy'],
        needs: `torch and numpy in ${python} (--python PATH)`,
        command: torch(peer),
      };
    case 'compile':
      return {
        // The whole tool chain at once: a C++ compiler, and the headers of this Python.
        probe: [python, '-c', 'import torch; torch.compile(lambda x: x.cos() + x)(torch.ones(8))'],
        needs: `torch and a C++ compiler that torch.compile can use (g++, or CXX)`,
        command: torch(peer),
      };
    case 'tensorflow':
      return {
        probe: [tfPython, '-c', 'import tensorflow, numpy'],
        needs: `tensorflow in ${tfPython} (--tf-python PATH)`,
        command: (folder) => [tfPython, '-B', script('tensorflow_step.py'), folder],
      };
    case 'tfjs': {
      const from = tfjs ?? packageRoot();
      return {
        probe: [process.execPath, script('tfjs_step.mjs'), '--probe', from],
        needs: `@tensorflow/tfjs-node in ${from} (--tfjs DIR)`,
        command: (folder) => [process.execPath, script('tfjs_step.mjs'), folder, from],
      };
    }
    default:
      return peer satisfies never;
  }
}
