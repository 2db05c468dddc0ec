/** A command that is started and waited for. */
export interface StartCase {
  readonly title: string;
  /** Of Node. */
  readonly args: readonly string[];
  /** Seconds that it may take on the machine we build on. */
  readonly limit?: number;
}

/** @param binary the built command line */
export function casesOf(binary: string): readonly StartCase[] {
  const reparam = (command: string, limit?: number): StartCase => ({
    title: `reparam ${command}`,
    args: [binary, ...command.split(' ')],
    ...(limit !== undefined && { limit }),
  });
  return [
    { title: 'node', args: ['-e', '0'] },
    reparam('--help', 0.25),
    reparam('zoo list'),
    reparam('inspect resnet152', 1.5),
    reparam('inspect vgg19', 1.5),
  ];
}
