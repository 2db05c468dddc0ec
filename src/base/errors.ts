/**
 * Errors a user can act on. Each class has a stable `code` and an exit code; the message is made from its facts in one
 * order: what was being done and where, what was expected, what was found, what to do next. Anything that is not a
 * {@link ReparamError} is a bug of ours and is shown with its stack.
 */
export interface ErrorFacts {
  /** What is wrong, naming the file, node or flag. */
  readonly problem: string;
  readonly expected?: string;
  readonly found?: string;
  /** What the user can do about it. */
  readonly hint?: string;
  /** Everything that the message shortens, line by line: printed with `--verbose`, and part of the error in JSON. */
  readonly details?: readonly string[];
  readonly cause?: unknown;
}

export type ExitCode = 0 | 1 | 2 | 3 | 4 | 130;

export abstract class ReparamError extends Error {
  abstract readonly code: string;
  abstract readonly exitCode: ExitCode;
  readonly facts: ErrorFacts;

  constructor(facts: ErrorFacts) {
    const parts = [facts.problem];
    if (facts.expected !== undefined) parts.push(`expected ${facts.expected}`);
    if (facts.found !== undefined) parts.push(`found ${facts.found}`);
    super(parts.join('; ') + (facts.hint === undefined ? '' : `\n  ${facts.hint}`), { cause: facts.cause });
    this.name = new.target.name;
    this.facts = facts;
  }
}

/** A check failed: the models differ, nothing to refocus, … (exit code 1). */
export class CheckFailedError extends ReparamError {
  readonly code = 'CHECK_FAILED';
  readonly exitCode = 1;
}

/** A flag or argument is wrong (exit code 2). */
export class UsageError extends ReparamError {
  readonly code = 'USAGE';
  readonly exitCode = 2;
}

/** A file the user gave cannot be read or used (exit code 3). */
export class InputError extends ReparamError {
  readonly code: string = 'BAD_INPUT';
  readonly exitCode = 3;
}

/** A model file or graph that breaks the ONNX rules (exit code 3). */
export class ModelError extends InputError {
  override readonly code = 'BAD_MODEL';
}

/** A model that is legal, but holds something this operation cannot treat (exit code 3). */
export class UnsupportedError extends InputError {
  override readonly code = 'UNSUPPORTED';
}

/** The engine, device, disk, memory or network is at fault (exit code 4). */
export class EnvironmentError extends ReparamError {
  readonly code = 'ENVIRONMENT';
  readonly exitCode = 4;
}

/** The user stopped the run with Ctrl-C or SIGTERM (exit code 130); the message says what is lost and how to go on. */
export class InterruptedError extends ReparamError {
  readonly code = 'INTERRUPTED';
  readonly exitCode = 130;
}
