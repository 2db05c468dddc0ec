"""One process of the side `tensorflow`: python tensorflow_step.py FOLDER.

The whole step is one tf.function, as Keras runs it. The network comes as a list of layers; what reads the list is gone once
the graph is traced. Layers are those that tf.keras.applications uses: NHWC, fused batch normalization, padding `SAME` where
that is the network's own and a Pad before the convolution where it is not.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from process import Task, report

# NCHW axis -> NHWC axis.
AXIS = {0: 0, 1: 3, 2: 1, 3: 2}


class Net:
    def __init__(self, layers, weights):
        self.layers, self.weights = layers, {}
        constants = layers["constants"]
        self.constants = {name: [int(v) for v in values] for name, values in constants.items()}
        for layer in layers["layers"]:
            for index, name in enumerate(layer["inputs"]):
                # Scalars are the bounds of Clip.
                if index > 0 and name in weights and weights[name].ndim > 0:
                    array = self.arrange(layer, index, weights[name])
                    trained = not (layer["op"] == "BatchNormalization" and index > 2)
                    self.weights[name] = tf.Variable(array, trainable=trained, name=name.replace(".", "_"))
        self.scalars = {name: array for name, array in weights.items() if array.ndim == 0}

    @staticmethod
    def arrange(layer, index, array):
        if layer["op"] == "Conv" and index == 1:
            if layer["attributes"]["group"] == 1:
                return array.transpose(2, 3, 1, 0)
            if array.shape[1] != 1 or array.shape[0] != layer["attributes"]["group"]:
                raise SystemExit("tensorflow_step.py has no grouped convolution that is not depthwise")
            return array.transpose(2, 3, 0, 1)
        return array.T if layer["op"] == "Gemm" and index == 1 else array

    @property
    def trained(self):
        return [v for v in self.weights.values() if v.trainable]

    def __call__(self, image):
        values = {self.layers["input"]: image}
        for layer in self.layers["layers"]:
            inputs = [values.get(name, self.weights.get(name)) for name in layer["inputs"]]
            values[layer["output"]] = getattr(self, layer["op"])(layer, layer["attributes"], *inputs)
        return values[self.layers["output"]]

    def Conv(self, layer, attributes, x, weight, bias=None):
        kernel, strides = attributes["kernel_shape"], attributes["strides"]
        x, padding = padded(x, kernel, strides, attributes["pads"], 0)
        stride = [1, *strides, 1]
        convolve = tf.nn.conv2d if attributes["group"] == 1 else tf.nn.depthwise_conv2d
        y = convolve(x, weight, stride, padding)
        return y if bias is None else tf.nn.bias_add(y, bias)

    def BatchNormalization(self, layer, attributes, x, scale, offset, mean, variance):
        y, new_mean, new_variance = tf.compat.v1.nn.fused_batch_norm(
            x,
            scale,
            offset,
            mean,
            variance,
            epsilon=attributes["epsilon"],
            is_training=True,
            exponential_avg_factor=1 - attributes.get("momentum", 0.9),
        )
        mean.assign(new_mean)
        variance.assign(new_variance)
        return y

    def MaxPool(self, layer, attributes, x):
        kernel, strides = attributes["kernel_shape"], attributes["strides"]
        x, padding = padded(x, kernel, strides, attributes["pads"], x.dtype.min)
        return tf.nn.max_pool2d(x, kernel, strides, padding)

    def Relu(self, layer, attributes, x):
        return tf.nn.relu(x)

    def Clip(self, layer, attributes, x, *_):
        low, high = (float(self.scalars[name]) for name in layer["inputs"][1:])
        return tf.nn.relu6(x) if (low, high) == (0, 6) else tf.clip_by_value(x, low, high)

    def HardSigmoid(self, layer, attributes, x):
        return tf.nn.relu6(x + 3) * (1 / 6)

    def HardSwish(self, layer, attributes, x):
        return x * (tf.nn.relu6(x + 3) * (1 / 6))

    def Add(self, layer, attributes, a, b):
        return a + b

    def Mul(self, layer, attributes, a, b):
        return a * b

    def GlobalAveragePool(self, layer, attributes, x):
        return tf.reduce_mean(x, [1, 2], keepdims=True)

    def Flatten(self, layer, attributes, x):
        if x.shape[1:3] != [1, 1]:
            raise SystemExit("tensorflow_step.py flattens pooled maps only")
        return tf.reshape(x, [x.shape[0], x.shape[3]])

    def Gemm(self, layer, attributes, x, weight, bias):
        return tf.nn.bias_add(tf.matmul(x, weight), bias)

    def Slice(self, layer, attributes, x, *_):
        starts, ends, axes, steps = (self.constants[name] for name in layer["inputs"][1:])
        window = [slice(None)] * 4
        for start, end, axis, step in zip(starts, ends, axes, steps):
            window[AXIS[axis]] = slice(start, min(end, x.shape[AXIS[axis]]), step)
        return x[tuple(window)]

    def Pad(self, layer, attributes, x, *_):
        pads = self.constants[layer["inputs"][1]]
        both = [[0, 0]] * 4
        for axis in range(4):
            both[AXIS[axis]] = [pads[axis], pads[axis + 4]]
        return tf.pad(x, both)


def padded(x, kernel, strides, pads, value):
    """The input and the padding to give to a convolution or a pool."""
    if not any(pads):
        return x, "VALID"
    same = True
    for axis in (0, 1):
        size, k, s = x.shape[1 + axis], kernel[axis], strides[axis]
        total = max((-(-size // s) - 1) * s + k - size, 0)
        same = same and [pads[axis], pads[axis + 2]] == [total // 2, total - total // 2]
    if same:
        return x, "SAME"
    both = [[0, 0], [pads[0], pads[2]], [pads[1], pads[3]], [0, 0]]
    return tf.pad(x, both, constant_values=value), "VALID"


def main(folder):
    task = Task(folder)
    tf.config.threading.set_intra_op_parallelism_threads(task["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(task["threads"])
    images = tf.constant(np.ascontiguousarray(task.images.transpose(0, 2, 3, 1)))
    labels = tf.constant(task.labels)
    net = Net(task.layers(), task.weights())
    trained = net.trained
    slots = [tf.Variable(tf.zeros_like(v)) for v in trained]
    preprocess = task["preprocess"]
    mean, std = (tf.constant(preprocess[key], tf.float32) for key in ("mean", "std"))

    @tf.function
    def step(images, labels):
        x = (tf.cast(images, tf.float32) * preprocess["scale"] - mean) / std
        with tf.GradientTape() as tape:
            logits = net(x)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        for variable, slot, gradient in zip(trained, slots, tape.gradient(loss, trained)):
            if variable.shape.rank > 1:
                gradient += task["weightDecay"] * variable
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.handle,
                accum=slot.handle,
                lr=task["lr"],
                grad=gradient,
                momentum=task["momentum"],
            )
        correct = tf.reduce_sum(tf.cast(tf.argmax(logits, 1, tf.int32) == labels, tf.int32))
        return loss, correct

    def run():
        loss, correct = step(images, labels)
        correct.numpy()
        return float(loss.numpy())

    parameters = sum(int(np.prod(v.shape)) for v in trained)
    report(task, run, parameters, f"tensorflow {tf.__version__}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
