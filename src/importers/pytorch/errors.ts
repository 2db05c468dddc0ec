import { InputError } from '../../base/errors.js';
import { PickleError } from './pickle.js';

/** Runs a reader; what it finds damaged becomes an error that names the file. @throws InputError */
export function asInputError<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof PickleError)) throw cause;
    throw new InputError({
      problem: `${path} is no readable PyTorch checkpoint`,
      found: cause.message,
      hint: 'copy or download it again',
      cause,
    });
  }
}
