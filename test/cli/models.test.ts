import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodeSafetensors } from '../../src/importers/index.js';
import { loadModel } from '../../src/onnx/index.js';
import { readForm } from '../../src/reparam/index.js';
import { expectUserError, reparam, reparamJson, scratch } from './cli.js';

const cwd = scratch();
const file = (name: string): string => join(cwd, name);

beforeAll(async () => {
  const run = await reparam(['zoo', 'build', 'resnet20', '--width', '0.5', '-o', 'net.onnx'], { cwd });
  expect(run.stderr).toBe('');
  expect(run.code).toBe(0);
});

describe('zoo', () => {
  test('list names every network with its size', async () => {
    const { code, stdout } = await reparam(['zoo', 'list']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^mobilenetv2 +224² +1000 /m);
    const { json } = await reparamJson(['zoo', 'list']);
    expect(json.networks).toBeInstanceOf(Array);
    expect(json.networks).toContainEqual(
      expect.objectContaining({ name: 'resnet20', family: 'CIFAR ResNet' }),
    );
  });

  test('build writes a model of the size it tells', async () => {
    const { code, json } = await reparamJson(
      ['zoo', 'build', 'ResNet-20', '--classes', '7', '-o', 'seven.onnx'],
      {
        cwd,
      },
    );
    expect(code).toBe(0);
    // 269,722 with ten classes; each class less is 64 weights and a bias.
    expect(json).toMatchObject({ arch: 'resnet20', file: 'seven.onnx', parameters: 269_722 - 3 * 65 });
    const model = await loadModel(file('seven.onnx'));
    expect(model.metadata.get('reparam.trained')).toBe('false');
  });

  test('the same seed gives the same bytes, another seed others', async () => {
    const build = async (seed: string, out: string): Promise<Buffer> => {
      await reparam(['zoo', 'build', 'resnet20', '--width', '0.25', '--seed', seed, '-o', out], { cwd });
      return readFileSync(file(out));
    };
    const a = await build('3', 'a.onnx');
    expect((await build('3', 'b.onnx')).equals(a)).toBe(true);
    expect((await build('4', 'c.onnx')).equals(a)).toBe(false);
  });

  test('build takes the weights of a file, by the names of whoever wrote it', async () => {
    const random = await loadModel(file('net.onnx'));
    const weights = [...random.graph.initializers].flatMap(({ name, initializer }) =>
      initializer && !name.startsWith('const/') ? [[`module.${name}`, initializer] as const] : [],
    );
    writeFileSync(file('net.safetensors'), Buffer.concat(encodeSafetensors(new Map(weights), {})));
    const build = ['zoo', 'build', 'resnet20', '--weights', 'net.safetensors'];
    const narrow = [...build, '--width', '0.5'];
    const { json } = await reparamJson([...narrow, '--preprocess', 'tf', '-o', 'filled.onnx'], { cwd });
    expect(json).toMatchObject({ arch: 'resnet20', weights: 'net.safetensors', naming: 'zoo' });
    const filled = await loadModel(file('filled.onnx'));
    expect(filled.metadata.get('reparam.trained')).toBe('true');
    expect(JSON.parse(filled.metadata.get('reparam.preprocess') ?? '')).toMatchObject({ mean: [1, 1, 1] });
    const bytes = (model: typeof filled): unknown[] =>
      [...model.graph.initializers].map(({ name, initializer }) => [name, initializer?.bytes()]);
    expect(bytes(filled)).toEqual(bytes(random));

    const wide = await reparamJson([...build, '-o', 'x'], { cwd });
    expect(wide.code).toBe(3);
    const error: { message: string; details: string[] } = JSON.parse(JSON.stringify(wide.json.error));
    expect(error.message).toMatch(/are not those of resnet20.*96 that do not fit: .*… and \d+ more/s);
    expect(error.details).toContain(
      '  module.conv1.weight [8,3,3,3] float32 for conv1.weight [16,3,3,3] float32',
    );
    await expectUserError([...narrow, '--source', 'keras', '-o', 'x'], 2, /keras has no names for resnet20/, {
      cwd,
    });
    await expectUserError(['zoo', 'build', 'resnet20', '--source', 'zoo', '-o', 'x'], 2, /--weights FILE/, {
      cwd,
    });
  });

  test('user errors', async () => {
    await expectUserError(['zoo', 'build', 'resnet2', '-o', 'x'], 2, /no network 'resnet2'.*\n.*resnet20/, {
      cwd,
    });
    await expectUserError(['zoo', 'build', 'resnet20', '--stem', 'cifar', '-o', 'x'], 2, /no option 'stem'/, {
      cwd,
    });
    await expectUserError(['zoo', 'build', 'resnet20', '--width', '0', '-o', 'x'], 2, /--width; expected/, {
      cwd,
    });
    await expectUserError(['zoo', 'build', 'resnet20', '-o', 'no/where.onnx'], 3, /writing no\/where\.onnx/, {
      cwd,
    });
    mkdirSync(file('folder'), { recursive: true });
    const before = readdirSync(cwd);
    await expectUserError(['zoo', 'build', 'resnet20', '-o', 'folder'], 3, /folder/, { cwd });
    expect(readdirSync(cwd)).toEqual(before);
  });
});

describe('inspect', () => {
  test('layers, totals and what they include', async () => {
    const { code, stdout } = await reparam(['inspect', 'net.onnx'], { cwd });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^net\.onnx: IR \d+, opset/);
    expect(stdout).toMatch(/^layer1\.0\.conv1 +Conv +\[1, 8, 32, 32\]/m);
    expect(stdout).toMatch(/^parameters +\d/m);
  });

  test('--json has parameters, multAdds and layers that add up', async () => {
    const { json } = await reparamJson(['inspect', 'net.onnx'], { cwd });
    const layers: { multAdds: number; parameters: number }[] = JSON.parse(JSON.stringify(json.layers));
    expect(layers.reduce((n, l) => n + l.parameters, 0)).toBe(json.parameters);
    expect(layers.reduce((n, l) => n + l.multAdds, 0)).toBe(json.multAdds);
    const two = await reparamJson(['inspect', 'net.onnx', '--batch', '2'], { cwd });
    expect(two.json.multAdds).toBe(2 * Number(json.multAdds));
    expect(two.json.parameters).toBe(json.parameters);
  });

  test('--format csv is a table and nothing else', async () => {
    const { stdout } = await reparam(['inspect', 'net.onnx', '--format', 'csv'], { cwd });
    const [titles, stem] = stdout.split('\n');
    expect(titles).toBe('layer,operator,output shape,parameters,mult-adds,connections,reads');
    expect(stem).toBe('conv1,Conv,"[1, 8, 32, 32]",216,221184,221184,input');
    expect(stdout).not.toContain('mult-adds  ');
    expect((await reparam(['inspect', 'net.onnx', '--csv'], { cwd })).stdout).toBe(stdout);
    const both = ['inspect', 'net.onnx', '--csv', '--format', 'markdown'];
    await expectUserError(both, 2, /exclude each other/, { cwd });
  });

  test('a zoo name, any image size and a part of the layers', async () => {
    const { stdout } = await reparam(['inspect', 'resnet34', '--batch', '10', '--layers', 'layer1.*'], {
      cwd,
    });
    expect(stdout).toMatch(/^ {2}Total params +221,952$/m);
    expect(stdout).toMatch(/^ {2}Total mult-adds +6,936,337,920 \(6\.94 G\)$/m);
    expect(stdout).toMatch(/^ {2}Forward\/backward pass size +192\.68 MB$/m);
    expect(stdout).not.toMatch(/^layer2/m);
    const wide = await reparamJson(['inspect', 'resnet18', '--image', '96x160'], { cwd });
    expect(wide.json).toMatchObject({
      layers: expect.arrayContaining([
        expect.objectContaining({ name: 'layer4.1.conv2', outputShape: [1, 512, 3, 5] }),
      ]),
    });
    // A file, too, takes what its layers take.
    const file = await reparamJson(['inspect', 'net.onnx', '--image', '64'], { cwd });
    expect(file.json).toMatchObject({
      layers: expect.arrayContaining([
        expect.objectContaining({ name: 'conv1', outputShape: [1, 8, 64, 64] }),
      ]),
    });
  });

  test('a zoo name with the options of zoo build', async () => {
    const both = await reparamJson(['inspect', 'studygooglenet', '--aux'], { cwd });
    expect(both.json).toMatchObject({ parameters: 13_374_120, outputs: [{}, {}, {}] });
    const one = await reparamJson(['inspect', 'studygooglenet'], { cwd });
    expect(one.json).toMatchObject({ parameters: 6_994_392, outputs: [{ name: 'logits' }] });
    const v1 = await reparamJson(['inspect', 'resnet50', '--variant', 'v1'], { cwd });
    expect(v1.json).toMatchObject({ multAdds: 3_857_973_248 });
    const narrow = ['inspect', 'mobilenetv2', '--width', '0.5', '--image', '96', '--classes', '10'];
    // 1,968,680 with a thousand classes, of which each has 1280 weights and a bias.
    expect((await reparamJson(narrow, { cwd })).json).toMatchObject({
      parameters: 1_968_680 - 990 * 1281,
      inputs: [{ shape: ['N', 3, 96, 96] }],
    });
    await expectUserError(['inspect', 'vgg11', '--aux'], 2, /vgg11 has no option 'aux'/, { cwd });
    const file = ['inspect', 'net.onnx', '--zero-gamma'];
    await expectUserError(file, 2, /--zero-gamma is for networks of the zoo; found the file net\.onnx/, {
      cwd,
    });
  });

  test('what is no model, no size and no layer is refused', async () => {
    await expectUserError(['inspect', 'resnet35'], 3, /no network of the zoo.*did you mean/s, { cwd });
    await expectUserError(['inspect', 'nothing-alike'], 3, /reparam zoo list/, { cwd });
    await expectUserError(['inspect', 'net.onnx', '--image', '0'], 2, /--image; expected a side/, { cwd });
    await expectUserError(['inspect', 'net.onnx', '--image', '4x'], 2, /--image; expected a side/, { cwd });
    await expectUserError(
      ['inspect', 'net.onnx', '--layers', 'layer9.*'],
      2,
      /no layer has a name.*without --layers/s,
      {
        cwd,
      },
    );
    const step = ['inspect', 'resnet20', '--train-step', '--layers', '*'];
    await expectUserError(step, 2, /--layers is for the layers/, { cwd });
  });

  test('--train-step: the step of a file or of a zoo name, written with -o', async () => {
    const args = ['inspect', 'net.onnx', '--train-step', '--batch', '2', '-o', 'step.onnx'];
    const { code, stdout, stderr } = await reparam(args, { cwd });
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^net\.onnx: a training step\n\noperator/);
    expect(stdout).toMatch(/^memory +about \d+ MiB/m);
    const written = await loadModel(file('step.onnx'));
    const zoo = ['inspect', 'resnet20', '--train-step', '--momentum', '0', '--batch', '2'];
    const { json } = await reparamJson(zoo, { cwd });
    expect(json).toMatchObject({ batch: 2, image: [3, 32, 32], state: { kinds: { parameter: 59 } } });
    expect(written.graph.nodes.length).toBeGreaterThan(Number(json.nodes));
    expect(written.graph.outputs.slice(0, 2).map((v) => v.name)).toEqual(['loss/value', 'loss/correct']);
  });

  test('--train-step with --image: a network of the zoo is built so, a file of one size says so', async () => {
    const step = ['--train-step', '--batch', '2', '--image'];
    const narrow = ['inspect', 'resnet20', '--width', '0.25', '--classes', '3'];
    const { json } = await reparamJson([...narrow, ...step, '48'], { cwd });
    expect(json).toMatchObject({ image: [3, 48, 48] });
    const other = /--image: net\.onnx takes images of one size; expected a height of 32; found 48/;
    await expectUserError(['inspect', 'net.onnx', ...step, '48'], 2, other, { cwd });
    expect((await reparamJson(['inspect', 'net.onnx', ...step, '32'], { cwd })).code).toBe(0);
  });

  test('options of the step without --train-step are refused', async () => {
    const args = ['inspect', 'net.onnx', '--momentum', '0'];
    await expectUserError(args, 2, /--momentum is for the training step.*--train-step/s, { cwd });
  });

  test('user errors: no file, a folder, no model, half a model', async () => {
    await expectUserError(['inspect'], 2, /<model> is missing/, { cwd });
    await expectUserError(['inspect', 'nope.onnx'], 3, /nope\.onnx: no such file/, { cwd });
    await expectUserError(['inspect', '.'], 3, /folder/, { cwd });
    writeFileSync(file('empty.onnx'), '');
    await expectUserError(['inspect', 'empty.onnx'], 3, /empty\.onnx/, { cwd });
    writeFileSync(file('page.onnx'), '<!DOCTYPE html><html></html>');
    await expectUserError(['inspect', 'page.onnx'], 3, /page\.onnx/, { cwd });
    const whole = readFileSync(file('net.onnx'));
    writeFileSync(file('half.onnx'), whole.subarray(0, whole.length >> 1));
    await expectUserError(['inspect', 'half.onnx'], 3, /half\.onnx/, { cwd });
  });
});

describe('expand', () => {
  test('every spatial convolution by default', async () => {
    const { code, json } = await reparamJson(['expand', 'net.onnx', '-o', 'training.onnx'], { cwd });
    expect(code).toBe(0);
    expect(json).toMatchObject({ file: 'training.onnx', method: 'refconv', refused: [] });
    expect(json.layers).toHaveLength(19);
    expect(readForm(await loadModel(file('training.onnx')))?.layers).toHaveLength(19);
  });

  test('inspect tells frozen from trained', async () => {
    await reparam(['expand', 'net.onnx', '-o', 'seen.onnx', '--include', 'layer1.0.conv1'], { cwd });
    const plain = (await reparamJson(['inspect', 'net.onnx'], { cwd })).json;
    const { json } = await reparamJson(['inspect', 'seen.onnx'], { cwd });
    // A dense 3×3 convolution of 8 channels: its base is frozen, a 3×3 map for each of 64 kernels is learned.
    expect(json.frozen).toBe(8 * 8 * 9);
    expect(json.parameters).toBe(plain.parameters);
    expect(json.multAdds).toBe(plain.multAdds);
  });

  test('some of them, with other settings', async () => {
    const args = ['--include', 'layer1*', '--exclude', '*conv2', '--map-kernel', '5', '--init', 'xavier'];
    const run = await reparam(['expand', 'net.onnx', '-o', 'some.onnx', ...args], { cwd });
    expect(run.stdout).toBe('some.onnx: 3 convolutions have their refconv structure\n');
  });

  test('user errors', async () => {
    await expectUserError(['expand', 'net.onnx'], 2, /-o FILE \(--out\) is missing/, { cwd });
    await expectUserError(
      ['expand', 'net.onnx', '-o', 'x', '--map-kernel', '4'],
      2,
      /--map-kernel; expected an odd/,
      {
        cwd,
      },
    );
    await expectUserError(['expand', 'net.onnx', '-o', 'x', '--include', 'zzz'], 2, /'zzz'/, { cwd });
    await expectUserError(
      ['expand', 'net.onnx', '-o', 'x', '--method', 'refcon'],
      2,
      /did you mean refconv/,
      { cwd },
    );
    await expectUserError(
      ['expand', 'net.onnx', '-o', 'x', '--map-kernel', '7'],
      1,
      /no convolution to replace/,
      { cwd },
    );
    await reparam(['expand', 'net.onnx', '-o', 'once.onnx'], { cwd });
    await expectUserError(['expand', 'once.onnx', '-o', 'x'], 3, /training form already/, { cwd });
    expect(existsSync(file('x'))).toBe(false);
  });
});
