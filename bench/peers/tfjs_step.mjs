// One process of the side `tfjs`: `node tfjs_step.mjs FOLDER DIR`, DIR/node_modules holding @tensorflow/tfjs-node;
// `--probe DIR` only loads it. The network comes as a list of layers (speed/layers.ts), NHWC, padding `same` where that is
// the network's own and a pad before the convolution where it is not: tfjs-node takes no other.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const MODULE = '@tensorflow/tfjs-node';
/** NCHW axis → NHWC axis. */
const AXIS = [0, 3, 1, 2];

function load(from) {
  try {
    return createRequire(join(resolve(from), 'package.json'))(MODULE);
  } catch (error) {
    console.error(error.message.split('\n')[0]);
    process.exit(1);
  }
}

async function train(folder, from) {
  // What the bench itself is compiled to.
  const { readTask, FILES } = await import('../../dist-bench/bench/speed/task.js');
  const { elsewhere, peakMemory } = await import('../../dist-bench/bench/speed/linux.js');
  const { seriesOf } = await import('../../dist-bench/bench/speed/report.js');
  const { decodeSafetensors } = await import('../../dist-bench/src/importers/safetensors.js');
  const { task, images, labels } = readTask(folder);
  // Read when TensorFlow starts.
  process.env.TF_NUM_INTRAOP_THREADS = String(task.threads);
  process.env.TF_NUM_INTEROP_THREADS = String(task.threads);
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '3';
  const tf = load(from);
  await tf.ready();
  const network = JSON.parse(readFileSync(join(folder, FILES.layers), 'utf8'));
  const file = join(folder, FILES.weights);
  const { tensors } = decodeSafetensors(readFileSync(file), file);
  const net = new Net(tf, network, tensors);

  const { batch, image, preprocess, lr, momentum, weightDecay } = task;
  const [channels, height, width] = image;
  const pixels = tf.tidy(() =>
    tf.tensor(Int32Array.from(images), [batch, channels, height, width]).transpose([0, 2, 3, 1]),
  );
  const classes = tf.tensor1d(labels, 'int32');
  const oneHot = tf.cast(tf.oneHot(classes, task.classes), 'float32');
  const mean = tf.tensor1d(preprocess.mean);
  const std = tf.tensor1d(preprocess.std);
  const optimizer = tf.train.momentum(lr, momentum);

  const step = () =>
    tf.tidy(() => {
      const x = tf.cast(pixels, 'float32').mul(preprocess.scale).sub(mean).div(std);
      let logits;
      const { value, grads } = tf.variableGrads(() => {
        logits = tf.keep(net.run(x));
        return tf.losses.softmaxCrossEntropy(oneHot, logits);
      }, net.trained);
      for (const variable of net.trained)
        if (variable.rank > 1) grads[variable.name] = grads[variable.name].add(variable.mul(weightDecay));
      optimizer.applyGradients(grads);
      const correct = tf.argMax(logits, 1).equal(classes).sum();
      correct.dataSync();
      logits.dispose();
      return value.dataSync()[0];
    });

  const done = [];
  for (let i = 0; i < task.warmup + task.steps; i++) {
    const before = elsewhere();
    const start = performance.now();
    const loss = step();
    const milliseconds = performance.now() - start;
    const after = elsewhere();
    done.push({
      milliseconds,
      elsewhere: before === undefined || after === undefined ? null : Math.max(0, after - before),
      loss: Number.isFinite(loss) ? loss : null,
    });
  }
  const version = tf.version['tfjs-node'] ?? tf.version.tfjs;
  const report = {
    ...seriesOf(done, task.warmup),
    parameters: net.trained.reduce((sum, v) => sum + v.size, 0),
    peak: peakMemory(),
    library: `${MODULE} ${version} (${tf.getBackend()})`,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

/** A network as a list of layers, with its weights as variables. */
class Net {
  constructor(tf, network, tensors) {
    this.tf = tf;
    this.network = network;
    this.weights = new Map();
    this.scalars = new Map();
    for (const layer of network.layers)
      for (const [index, name] of layer.inputs.entries()) {
        const tensor = tensors.get(name);
        if (index === 0 || !tensor) continue;
        // Scalars are the bounds of Clip.
        if (tensor.dims.length === 0) this.scalars.set(name, tensor.typed()[0]);
        else {
          const trained = !(layer.op === 'BatchNormalization' && index > 2);
          this.weights.set(name, tf.variable(arrange(tf, layer, index, tensor), trained, name));
        }
      }
    this.trained = [...this.weights.values()].filter((v) => v.trainable);
  }

  run(image) {
    const values = new Map([[this.network.input, image]]);
    for (const layer of this.network.layers) {
      const rule = LAYERS[layer.op];
      if (!rule) throw new Error(`tfjs_step.mjs has no ${layer.op}`);
      const inputs = layer.inputs.map((name) => values.get(name) ?? this.weights.get(name));
      values.set(layer.output, rule(this.tf, layer, inputs, this));
    }
    return values.get(this.network.output);
  }
}

/** OIHW → HWIO, of a depthwise convolution HWCM; [out, in] → [in, out]. */
function arrange(tf, { op, attributes }, index, tensor) {
  return tf.tidy(() => {
    const value = tf.tensor(tensor.typed(), [...tensor.dims]);
    if (index !== 1 || (op !== 'Conv' && op !== 'Gemm')) return value;
    if (op === 'Gemm') return value.transpose();
    if (attributes.group === 1) return value.transpose([2, 3, 1, 0]);
    const [out, inner] = tensor.dims;
    if (inner !== 1 || out !== attributes.group)
      throw new Error('tfjs_step.mjs has no grouped convolution that is not depthwise');
    return value.transpose([2, 3, 0, 1]);
  });
}

const LAYERS = {
  Conv: (tf, { attributes: a }, [x, weight, bias]) => {
    const [input, pad] = padded(x, a, 0);
    const convolve = a.group === 1 ? tf.conv2d : tf.depthwiseConv2d;
    const y = convolve(input, weight, a.strides, pad);
    return bias ? y.add(bias) : y;
  },
  BatchNormalization: (tf, { attributes: a }, [x, scale, offset, runningMean, runningVariance]) => {
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    const keep = a.momentum ?? 0.9;
    const n = x.size / x.shape[3];
    runningMean.assign(runningMean.mul(keep).add(mean.mul(1 - keep)));
    runningVariance.assign(runningVariance.mul(keep).add(variance.mul(((1 - keep) * n) / (n - 1))));
    return tf.batchNorm(x, mean, variance, offset, scale, a.epsilon);
  },
  MaxPool: (tf, { attributes: a }, [x]) => {
    const [input, pad] = padded(x, a, -3.4e38);
    return tf.maxPool(input, a.kernel_shape, a.strides, pad);
  },
  Relu: (tf, _, [x]) => tf.relu(x),
  Clip: (tf, { inputs }, [x], { scalars }) => {
    const [low, high] = inputs.slice(1).map((name) => scalars.get(name));
    return low === 0 && high === 6 ? tf.relu6(x) : tf.clipByValue(x, low, high);
  },
  HardSigmoid: (tf, _, [x]) => hardSigmoid(tf, x),
  HardSwish: (tf, _, [x]) => x.mul(hardSigmoid(tf, x)),
  Add: (_, __, [a, b]) => a.add(b),
  Mul: (_, __, [a, b]) => a.mul(b),
  GlobalAveragePool: (tf, _, [x]) => tf.mean(x, [1, 2], true),
  Flatten: (_, __, [x]) => {
    if (x.shape[1] !== 1 || x.shape[2] !== 1) throw new Error('tfjs_step.mjs flattens pooled maps only');
    return x.reshape([x.shape[0], x.shape[3]]);
  },
  Gemm: (tf, _, [x, weight, bias]) => tf.matMul(x, weight).add(bias),
  // stridedSlice has no gradient in tfjs; a window of one pixel picks the same pixels.
  Slice: (tf, { inputs }, [x], { network }) => {
    const [starts, , axes, steps] = inputs.slice(1).map((name) => network.constants[name]);
    if (`${axes}` !== '2,3' || starts.some((s) => s !== 0))
      throw new Error('tfjs_step.mjs slices every n-th pixel only');
    return tf.avgPool(x, [1, 1], steps, 'valid');
  },
  Pad: (tf, { inputs }, [x], { network }) => {
    const pads = network.constants[inputs[1]];
    const both = [];
    for (const [axis, to] of AXIS.entries()) both[to] = [pads[axis], pads[axis + 4]];
    return tf.pad(x, both);
  },
};

function hardSigmoid(tf, x) {
  return tf.relu6(x.add(3)).mul(1 / 6);
}

/** The input and the padding to give to a convolution or a pool. */
function padded(x, { kernel_shape: kernel, strides, pads }, value) {
  if (pads.every((p) => p === 0)) return [x, 'valid'];
  const same = [0, 1].every((axis) => {
    const size = x.shape[1 + axis];
    const total = Math.max((Math.ceil(size / strides[axis]) - 1) * strides[axis] + kernel[axis] - size, 0);
    return pads[axis] === Math.floor(total / 2) && pads[axis + 2] === Math.ceil(total / 2);
  });
  if (same) return [x, 'same'];
  const both = [
    [0, 0],
    [pads[0], pads[2]],
    [pads[1], pads[3]],
    [0, 0],
  ];
  return [x.pad(both, value), 'valid'];
}

const [first, second] = process.argv.slice(2);
if (first === '--probe') load(second);
else await train(first, second);
