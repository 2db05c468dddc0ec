import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { command, type Outcome } from '../../cli/command.js';
import { ascending, integer, number, oneOf, text, texts, toggle } from '../../cli/flags.js';
import { parseArguments } from '../../cli/parse.js';
import { UsageError } from '../../src/base/errors.js';

const group = 'Options:';
const outcome = async (): Promise<Outcome> => ({ json: {}, text: '' });

const COMMANDS = [
  command({
    name: 'swap',
    describe: 'Swap layers',
    positionals: [{ name: 'model', describe: 'an ONNX file' }],
    flags: {
      out: { kind: text('FILE', 'a file name'), describe: 'Output', alias: 'o', required: true, group },
      epochs: { kind: integer(1), describe: 'Epochs', default: 3, group },
      lr: { kind: number({ above: 0 }), describe: 'Rate', default: 0.05, group },
      mapKernel: { kind: integer(1, { odd: true }), describe: 'Kernel', default: 3, group },
      schedule: { kind: oneOf('cosine', 'step'), describe: 'Schedule', default: 'cosine', group },
      milestones: { kind: ascending, describe: 'Drops', default: [], group },
      include: { kind: texts('GLOB', 'a pattern'), describe: 'Only these', default: [], group },
      nesterov: { kind: toggle, describe: 'Nesterov', default: false, group },
      control: { kind: toggle, describe: 'No control', default: true, negative: true, group },
      threads: { kind: integer(1), describe: 'Threads', maybe: true, group },
    },
    examples: [],
    run: outcome,
  }),
  command({ name: 'zoo list', describe: 'List', positionals: [], flags: {}, examples: [], run: outcome }),
  command({
    name: 'zoo build',
    describe: 'Build',
    positionals: [{ name: 'arch', describe: 'a network' }],
    flags: {},
    examples: [],
    run: outcome,
  }),
];

function parse(line: string) {
  const result = parseArguments(line === '' ? [] : line.split(' '), COMMANDS, '9.9.9', 100);
  if (result.kind !== 'command') throw new Error(`printed: ${result.text}`);
  return { name: result.parsed.command.name, args: result.parsed.args };
}

const DEFAULTS = {
  model: 'm.onnx',
  out: 'f',
  epochs: 3,
  lr: 0.05,
  mapKernel: 3,
  schedule: 'cosine',
  milestones: [],
  include: [],
  nesterov: false,
  control: true,
};

describe('values', () => {
  test('defaults come from the table; what may be absent is absent', () => {
    expect(parse('swap m.onnx -o f')).toEqual({ name: 'swap', args: DEFAULTS });
  });

  test("each kind; how a result is shown is none of a command's values", () => {
    const line =
      'swap -o f --epochs 5 --lr=1e-3 --map-kernel 5 --schedule step --milestones 1,2.5,30 --include a/* ' +
      '--include b --nesterov --no-control --threads 2 m.onnx --json';
    expect(parse(line).args).toEqual({
      ...DEFAULTS,
      epochs: 5,
      lr: 0.001,
      mapKernel: 5,
      schedule: 'step',
      milestones: [1, 2.5, 30],
      include: ['a/*', 'b'],
      nesterov: true,
      control: false,
      threads: 2,
    });
  });

  test('a number stays text where text is wanted, and what follows -- is no option', () => {
    expect(parse('swap 007 -o 1.50').args).toMatchObject({ model: '007', out: '1.50' });
    expect(parse('swap -o f -- --odd.onnx').args).toMatchObject({ model: '--odd.onnx' });
  });

  test('commands of two words', () => {
    expect(parse('zoo list').name).toBe('zoo list');
    expect(parse('zoo build resnet20')).toMatchObject({ name: 'zoo build', args: { arch: 'resnet20' } });
  });
});

describe('errors name the flag and say what to do', () => {
  test.each([
    ['swap m -o f --epoch 5', "swap: no option '--epoch'\n  did you mean --epochs?"],
    ['swap m -o f --mapKernel 5', "swap: no option '--mapKernel'\n  did you mean --map-kernel?"],
    ['swap m -o f --no-controll', "swap: no option '--no-controll'\n  did you mean --no-control?"],
    ['swap m -o f -z', "swap: no option '-z'\n  see reparam swap --help"],
    ['swap m -o f --control', /no option '--control'/],
    ['swap m -o f --no-nesterov', /no option '--no-nesterov'/],
    ['swap m -o f --epochs -1', "swap: --epochs; expected a whole number >= 1; found '-1'"],
    ['swap m -o f --epochs 1.5', /--epochs; expected a whole number/],
    ['swap m -o f --epochs 0x10', /--epochs; expected a whole number/],
    ['swap m -o f --epochs', 'swap: --epochs; expected a whole number >= 1; found nothing'],
    ['swap m -o f --lr NaN', "swap: --lr; expected a number > 0; found 'NaN'"],
    ['swap m -o f --lr Infinity', /--lr; expected a number/],
    ['swap m -o f --lr 1e999', /--lr; expected a number/],
    ['swap m -o f --lr 0', /--lr; expected a number > 0; found '0'/],
    ['swap m -o f --map-kernel 4', "swap: --map-kernel; expected an odd number >= 1; found '4'"],
    [
      'swap m -o f --schedule cosin',
      "swap: --schedule; expected one of cosine, step; found 'cosin'\n  did you mean cosine?",
    ],
    ['swap m -o f --milestones 3,2', /--milestones; expected ascending numbers/],
    ['swap m -o f --milestones 1,,2', /--milestones; expected ascending numbers/],
    ['swap m -o f --nesterov=maybe', /--nesterov/],
    ['swap m -o f --epochs 1 --epochs 2', 'swap: --epochs is given 2 times; found 1, 2'],
    [
      'swap -o f',
      'swap: <model> is missing; expected an ONNX file\n  reparam swap <model> -o FILE [options]',
    ],
    ['swap m', 'swap: -o FILE (--out) is missing\n  Output'],
    ['swap m n -o f', /swap: unexpected argument 'n'/],
    ['', 'no command given; expected swap, zoo\n  see reparam --help'],
    ['swop m', "no command 'swop'; expected swap, zoo\n  did you mean swap?"],
    ['qqqq', "no command 'qqqq'; expected swap, zoo\n  see reparam --help"],
    ['zoo', 'zoo: no action given; expected zoo list, zoo build\n  see reparam zoo --help'],
    ['zoo biuld', "zoo: no action 'biuld'; expected zoo list, zoo build\n  did you mean build?"],
    ['- swap', /no command in '- swap'/],
    ['swap m -o f --toString', "no option '--toString'\n  see reparam --help"],
    ['--jsn', "no option '--jsn'\n  did you mean --json?"],
  ])('%s', (line, message) => {
    let error: unknown;
    try {
      parse(line);
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(UsageError);
    const found = error instanceof Error ? error.message : '';
    if (typeof message === 'string') expect(found).toBe(message);
    else expect(found).toMatch(message);
  });
});

describe('help and version', () => {
  const shown = (line: string): string => {
    const result = parseArguments(line.split(' '), COMMANDS, '9.9.9', 100);
    return result.kind === 'print' ? result.text : 'a command';
  };

  test('version', () => expect(shown('--version')).toBe('9.9.9'));

  test('the commands with what they do', () => {
    expect(shown('--help')).toMatch(/reparam swap \[model\] +Swap layers/);
    expect(shown('--help')).toMatch(/130 interrupted/);
    expect(shown('--help')).toMatch(/reparam zoo +The published networks: list them/);
    expect(shown('zoo --help')).toMatch(/reparam zoo build \[arch\] +Build/);
  });

  test('a command: synopsis, what values may be, defaults; asking for help needs no required option', () => {
    const help = shown('swap --help');
    expect(help).toMatch(/^reparam swap <model> -o FILE \[options\]/);
    expect(help).toMatch(/--map-kernel +Kernel \(an odd number >= 1\) \[default: 3\]/);
    expect(help).toMatch(/--no-control/);
    expect(help).toMatch(/-o, --out/);
  });
});

describe('any line', () => {
  const word = fc.oneof(
    fc.constantFrom(
      ...[
        'swap',
        'zoo',
        'list',
        'build',
        'm.onnx',
        '-o',
        '-of',
        '--',
        '-',
        '--out',
        '--epochs',
        '--lr=',
        '=',
        '-5',
      ],
      ...[
        '--no-control',
        '--control',
        '--__proto__',
        '--__proto__.x=1',
        '--constructor',
        '--toString',
        '-h',
        '--json',
      ],
      ...[
        '--include',
        '--epochs.a',
        '--milestones=1,2',
        '--verbose=x',
        '--version=1',
        '--no-json',
        '',
        ' ',
        '\u0000',
      ],
    ),
    fc.string(),
  );

  test('is a command, a text or a UsageError, and never changes an object of ours', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (line) => {
        try {
          const result = parseArguments(line, COMMANDS, '9.9.9', 100);
          if (result.kind === 'print') expect(result.text).not.toBe('');
          else expect(Object.getPrototypeOf(result.parsed.args)).toBe(Object.prototype);
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
        }
        expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
      }),
      { numRuns: 400, seed: 1 },
    );
  });
});
