"""Writes test/fixtures/weights: small files of weights as PyTorch and Keras write them, and some that must be refused.

    python3 scripts/make-weight-fixtures.py torch    (needs torch)
    python3 scripts/make-weight-fixtures.py keras    (needs tensorflow, keras 3 and h5py)

Each writes its own half. The n-th of a tensor's N values, in row-major order of the logical tensor, is n / 8 - 1: exact in
float16 and bfloat16, so that the test knows what every file holds.
"""

import collections
import os
import pickle
import sys
import zipfile

FOLDER = os.path.join(os.path.dirname(__file__), "..", "test", "fixtures", "weights")


def at(name):
    return os.path.join(FOLDER, name)


def torch_files():
    import torch

    def values(*shape, dtype=torch.float32):
        count = 1
        for d in shape:
            count *= d
        return (torch.arange(count, dtype=torch.float32) / 8 - 1).reshape(shape).to(dtype)

    storage = torch.zeros(40)
    storage[5:29] = values(24)
    state = {
        "conv.weight": values(4, 3, 1, 2),
        "conv.bias": values(4).to(torch.float64),
        # Views: a part of a storage, a transposed one, and channels last.
        "part": storage[5:29].reshape(2, 12),
        "transposed": values(3, 5).t().contiguous().t(),
        "channels_last": values(2, 3, 2, 2).contiguous(memory_format=torch.channels_last),
        "half": values(6, dtype=torch.float16),
        "bfloat16": values(6, dtype=torch.bfloat16),
        "num_batches_tracked": torch.tensor(7),
        "scalar": torch.tensor(0.5),
        "none": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(values(2, 2)),
    }
    state = collections.OrderedDict(state)
    state["tied"] = state["conv.weight"]
    whole = {"epoch": 3, "arch": "net", "best_prec1": 91.5, "state_dict": state, "optimizer": {"state": {0: {"m": values(3)}}, "lr": 0.1}}
    torch.save(whole, at("torch-zip.pt"))
    torch.save(whole, at("torch-legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save(dict(state), at("torch-protocol4.pt"), pickle_protocol=4)
    # To be refused.
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), at("torch-module.pt"))
    torch.jit.script(torch.nn.Linear(2, 2)).save(at("torch-script.pt"))
    torch.save({"a": {"w": values(2)}, "b": {"w": values(2)}}, at("torch-two.pt"))
    torch.save({"epoch": 3}, at("torch-none.pt"))
    torch.save({"w": torch.zeros(1).expand(1 << 20, 1 << 10)}, at("torch-expanded.pt"))

    class Command:
        def __reduce__(self):
            return os.system, ("exit 7",)

    torch.save({"w": values(2), "x": Command()}, at("torch-code.pt"))
    torch.save({"w": values(2), "x": Command()}, at("torch-code-legacy.pth"), _use_new_zipfile_serialization=False)
    with open(at("plain.pkl"), "wb") as f:
        pickle.dump([1, 2, 3], f, protocol=4)
    rewritten("torch-zip.pt", "torch-bigendian.pt", lambda n, d: b"big" if n.endswith("byteorder") else d)
    rewritten("torch-zip.pt", "torch-short-storage.pt", lambda n, d: d[:-4] if n.endswith("data/0") else d)
    rewritten("torch-zip.pt", "torch-no-storage.pt", lambda n, d: None if n.endswith("data/0") else d)
    rewritten("torch-zip.pt", "torch-deflated.pt", lambda n, d: d, zipfile.ZIP_DEFLATED)


def rewritten(source, target, change, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(at(source)) as old, zipfile.ZipFile(at(target), "w", compression) as new:
        for info in old.infolist():
            data = change(info.filename, old.read(info))
            if data is not None:
                new.writestr(zipfile.ZipInfo(info.filename), data, compression)


def keras_files():
    import h5py
    import keras
    import numpy as np

    def values(shape):
        return (np.arange(np.prod(shape, dtype=int), dtype=np.float32) / 8 - 1).reshape(shape)

    def fill(model):
        for layer in model.layers:
            if isinstance(layer, keras.Model):
                fill(layer)
            else:
                layer.set_weights([values(w.shape) if w.dtype != "uint32" else w for w in layer.get_weights()])

    inner = keras.Sequential([keras.layers.Input((4, 4, 3)), keras.layers.Conv2D(2, 3, name="inner_conv"), keras.layers.BatchNormalization(scale=False, name="inner_bn")], name="inner")
    model = keras.Sequential([
        keras.layers.Input((6, 6, 2)),
        keras.layers.Rescaling(0.5),
        keras.layers.SeparableConv2D(3, 3, depth_multiplier=2, name="separable"),
        inner,
        keras.layers.DepthwiseConv2D(1, use_bias=False, name="depthwise"),
        keras.layers.BatchNormalization(name="bn"),
        keras.layers.BatchNormalization(center=False, name="bn_no_beta"),
        keras.layers.LayerNormalization(name="ln"),
        keras.layers.PReLU(name="prelu"),
        keras.layers.Dropout(0.5, seed=1),
        keras.layers.Flatten(),
        keras.layers.Dense(3, name="fc"),
    ], name="net")
    fill(model)
    model.save(at("keras3.keras"))
    model.save(at("keras3.h5"))
    model.save_weights(at("keras3.weights.h5"))

    text = h5py.string_dtype("utf-8")
    with h5py.File(at("keras2-lists.h5"), "w") as f:
        # Keras 2 spreads a long list of layers, and keeps the names variables were made with.
        f.attrs["layer_names0"] = np.array([b"conv1", b"bn"])
        f.attrs["layer_names1"] = np.array([b"relu"])
        for layer, names in {"conv1": ["conv1_3/kernel:0", "conv1_3/bias:0"], "bn": ["bn/moving_mean:0"], "relu": []}.items():
            group = f.create_group(layer)
            group.attrs["weight_names"] = np.array([n.encode() for n in names]) if names else np.array([], dtype=np.float64)
            for name in names:
                group.create_dataset(name, data=values((2, 3)))

    def one_layer(name, make):
        with h5py.File(at(name), "w") as f:
            f.attrs.create("layer_names", ["fc"], dtype=text)
            group = f.create_group("fc")
            group.attrs.create("weight_names", ["fc/kernel:0"], dtype=text)
            make(group.create_group("fc"))

    # To be refused: declared, but never written; raw data in another file; texts; a list without its data set.
    one_layer("h5-unwritten.h5", lambda g: g.create_dataset("kernel:0", (1 << 16, 1 << 16), np.float32))
    one_layer("h5-bomb.h5", lambda g: g.create_dataset("kernel:0", (1 << 14, 1 << 14), np.float32, chunks=(1 << 12, 1 << 12), compression="gzip"))
    one_layer("h5-other-file.h5", lambda g: g.create_dataset("kernel:0", (2, 2), np.float32, external=[("/etc/hostname", 0, 16)]))
    one_layer("h5-texts.h5", lambda g: g.create_dataset("kernel:0", data=["a", "b"], dtype=text))
    one_layer("h5-missing.h5", lambda g: g.create_dataset("bias:0", data=values((2,))))
    layout = h5py.VirtualLayout((2, 2), np.float32)
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", shape=(2, 2))
    one_layer("h5-virtual.h5", lambda g: g.create_virtual_dataset("kernel:0", layout))
    one_layer("h5-linked.h5", lambda g: g.__setitem__("kernel:0", h5py.ExternalLink("/etc/hostname", "/x")))


if __name__ == "__main__":
    os.makedirs(FOLDER, exist_ok=True)
    {"torch": torch_files, "keras": keras_files}[sys.argv[1]]()
