"""Writes test/fixtures/optim/optimizers.json: what optimizers of PyTorch and TensorFlow make of ten steps, in float64.

    python3 scripts/make-optimizer-fixtures.py torch        (needs torch)
    python3 scripts/make-optimizer-fixtures.py tensorflow   (needs tensorflow)

Each writes its own half. The gradient at p is p^3 - 0.3 (i + 1), elementwise, so that an error in one step shows in the
next. Hyper-parameters are rounded to float32 first, because a train step stores them so; Adam's corrections follow the
rounded betas.
"""

import json
import os
import struct
import sys

START = [0.5, -1.25, 2.0, 0.0]
RATES = [0.1, 0.1, 0.05, 0.05, 0.02, 0.02, 0.01, 0.01, 0.01, 0.001]
# alpha (exact in float32, and 1 - alpha too), epsilon, momentum
RMSPROP = [(0.984375, 1e-8, 0), (0.90625, 1e-3, 0.9), (0.90625, 1.0, 0.5)]
FILE = os.path.join(os.path.dirname(__file__), "..", "test", "fixtures", "optim", "optimizers.json")


def single(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def torch_runs():
    import torch

    def run(make):
        p = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
        optimizer = make([p])
        shift = 0.3 * torch.arange(1, len(START) + 1, dtype=torch.float64)
        after = []
        for rate in RATES:
            for group in optimizer.param_groups:
                group["lr"] = rate
            p.grad = p.detach() ** 3 - shift
            optimizer.step()
            after.append(p.detach().tolist())
        return after

    for decay in [0.0, 0.1]:
        wd = single(decay)
        for momentum, nesterov, dampening in [(0, False, 0), (0.5, False, 0), (0.9, False, 0), (0.9, True, 0), (0.9, False, 0.25)]:
            given = {"kind": "sgd", "momentum": momentum, "nesterov": nesterov, "dampening": dampening}
            yield given, decay, run(lambda ps: torch.optim.SGD(ps, lr=1, momentum=single(momentum), nesterov=nesterov, dampening=dampening, weight_decay=wd))
        for beta1, beta2, epsilon in [(0.9, 0.999, 1e-8), (0.5, 0.75, 1e-3), (0.0, 0.9, 0.5)]:
            for kind, make in [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]:
                given = {"kind": kind, "betas": [beta1, beta2], "epsilon": epsilon}
                yield given, decay, run(lambda ps: make(ps, lr=1, betas=(single(beta1), single(beta2)), eps=single(epsilon), weight_decay=wd))
        for alpha, epsilon, momentum in RMSPROP:
            given = {"kind": "rmsprop", "alpha": alpha, "epsilon": epsilon, "momentum": momentum, "style": "torch"}
            yield given, decay, run(lambda ps: torch.optim.RMSprop(ps, lr=1, alpha=single(alpha), eps=single(epsilon), momentum=single(momentum), weight_decay=wd))


def tensorflow_runs():
    import numpy as np
    import tensorflow as tf

    v1 = tf.compat.v1
    v1.disable_eager_execution()
    for alpha, epsilon, momentum in RMSPROP:
        with tf.Graph().as_default(), v1.Session() as session:
            p = v1.Variable(np.array(START), dtype=tf.float64)
            rate = v1.placeholder(tf.float64, [])
            gradient = p**3 - 0.3 * np.arange(1, len(START) + 1)
            optimizer = v1.train.RMSPropOptimizer(rate, decay=single(alpha), momentum=single(momentum), epsilon=single(epsilon))
            step = optimizer.apply_gradients([(gradient, p)])
            session.run(v1.global_variables_initializer())
            after = []
            for value in RATES:
                session.run(step, {rate: value})
                after.append(session.run(p).tolist())
        given = {"kind": "rmsprop", "alpha": alpha, "epsilon": epsilon, "momentum": momentum, "style": "tensorflow"}
        yield given, 0.0, after


def main(peer):
    runs = [{"optimizer": o, "weightDecay": d, "after": a} for o, d, a in (torch_runs() if peer == "torch" else tensorflow_runs())]
    os.makedirs(os.path.dirname(FILE), exist_ok=True)
    data = json.load(open(FILE)) if os.path.exists(FILE) else {}
    data.update({"start": START, "rates": RATES, peer: runs})
    with open(FILE, "w") as f:
        json.dump(data, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
