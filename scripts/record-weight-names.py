"""Records what other packages call the weights of networks the zoo has, with dims, and what some of them compute.

    python3 scripts/record-weight-names.py torchvision   (needs torch and torchvision)
    python3 scripts/record-weight-names.py timm          (needs torch and timm)
    python3 scripts/record-weight-names.py keras         (needs tensorflow and keras 3)

Each writes test/fixtures/weights/names-SOURCE.json.gz: {network: [options of the zoo, [[name, dims], …]]}. Networks with
outputs also have [size, logits]: those of two images, with all weights and the images made by a formula that the test knows
(test/support/formula.ts), so that no weights are stored. Every network has 10 classes.
"""

import gzip
import json
import os
import sys
import zlib

import numpy as np

FOLDER = os.path.join(os.path.dirname(__file__), "..", "test", "fixtures", "weights")
CLASSES = 10


def uniform(name, count):
    """Numbers in [-1, 1) that hang on the name and the index only."""
    mask = np.uint64(0xFFFFFFFF)
    x = (np.arange(count, dtype=np.uint64) * np.uint64(1664525) + np.uint64(zlib.crc32(name.encode()))) & mask
    for _ in range(2):
        x = ((x ^ (x >> np.uint64(16))) * np.uint64(0x45D9F3B)) & mask
    x ^= x >> np.uint64(16)
    return x.astype(np.float64) / 2**31 - 1


def weight(name, dims, fan_in):
    u = uniform(name, int(np.prod(dims, dtype=int)))
    if name.endswith(("running_var", "moving_variance")):
        u = 1 + 0.5 * u
    elif len(dims) > 1 and fan_in > 1:
        u = u * np.sqrt(6 / fan_in)
    elif name.endswith(("bias", "beta", "mean")):
        u = 0.1 * u
    else:
        u = 1 + 0.2 * u
    return u.reshape(dims).astype(np.float32)


def images(size):
    return uniform("images", 2 * 3 * size * size).reshape(2, 3, size, size).astype(np.float32)


def path(source):
    return os.path.join(FOLDER, f"names-{source}.json.gz")


def recorded(source):
    """What stands there already; remove the file to record everything anew."""
    if not os.path.exists(path(source)):
        return {}
    with gzip.open(path(source)) as f:
        return json.load(f)


def write(source, networks):
    with open(path(source), "wb") as f:
        f.write(gzip.compress(json.dumps(networks, separators=(",", ":")).encode(), 9, mtime=0))


def torch_networks(source, names, make):
    import torch

    networks = recorded(source)
    for name, (network, options, size) in names.items():
        if name in networks:
            continue
        if size:
            model = make(name).eval()
        else:
            with torch.device("meta"):
                model = make(name)
        state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
        entry = [network, options, [[k, list(v.shape)] for k, v in state.items()]]
        if size:
            made = {k: torch.from_numpy(weight(k, v.shape, int(np.prod(v.shape[1:], dtype=int)))) for k, v in state.items()}
            model.load_state_dict(made, strict=False)
            with torch.no_grad():
                logits = model(torch.from_numpy(images(size)))
            entry.append([size, [float(v) for v in logits.flatten()]])
        networks[name] = entry
        write(source, networks)
        print(name, len(state), np.abs(entry[3][1]).max() if size else "", flush=True)


def declare_torchvision_operators():
    import torch

    # Some builds of torchvision lack their compiled operators; no classifier needs them.
    library = torch.library.Library("torchvision", "DEF")
    for name in ["nms", "qnms"]:
        try:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        except RuntimeError:
            pass
    return library


def torchvision_names():
    import torchvision

    names = {"alexnet": ("alexnettorchvision", {}, 0), "googlenet": ("googlenettorchvision", {"aux": True}, 0)}
    for depth in [11, 13, 16, 19]:
        names[f"vgg{depth}"] = (f"vgg{depth}", {}, 0)
        names[f"vgg{depth}_bn"] = (f"vgg{depth}bn", {}, 0)
    for depth in [18, 34, 50, 101, 152]:
        names[f"resnet{depth}"] = (f"resnet{depth}", {}, 0)
    for depth in [121, 161, 169, 201]:
        names[f"densenet{depth}"] = (f"densenet{depth}", {}, 0)
    for v in ["1_0", "1_1"]:
        names[f"squeezenet{v}"] = (f"squeezenet{v[0]}{v[2]}", {}, 0)
    names["mobilenet_v2"] = ("mobilenetv2", {}, 0)
    for s in ["small", "large"]:
        names[f"mobilenet_v3_{s}"] = (f"mobilenetv3{s}", {}, 0)
    for i in range(8):
        names[f"efficientnet_b{i}"] = (f"efficientnetb{i}", {}, 0)
    for w in ["0_5", "1_0", "1_5", "2_0"]:
        names[f"shufflenet_v2_x{w}"] = (f"shufflenetv2x{w.replace('_', '')}", {}, 0)
    for s in ["tiny", "small", "base"]:
        names[f"convnext_{s}"] = (f"convnext{s}", {}, 0)
    more = {"googlenet": {"aux_logits": True, "init_weights": False}}
    torch_networks("torchvision", names, lambda n: torchvision.models.get_model(n, weights=None, num_classes=CLASSES, **more.get(n, {})))


def timm_names():
    import timm

    names = {}
    names["mobilenetv1_100"] = ("mobilenetv1", {}, 64)
    names["mobilenetv2_100"] = ("mobilenetv2", {}, 72)
    names["mobilenetv1_125"] = ("mobilenetv1", {"width": 1.25}, 0)
    names["mobilenetv2_140"] = ("mobilenetv2", {"width": 1.4}, 0)
    names["mobilenetv2_050"] = ("mobilenetv2", {"width": 0.5}, 0)
    for s in ["small", "large"]:
        names[f"mobilenetv3_{s}_100"] = (f"mobilenetv3{s}", {}, 72)
        names[f"tf_mobilenetv3_{s}_100"] = (f"mobilenetv3{s}", {}, 72)
    for i in range(8):
        names[f"tf_efficientnet_b{i}"] = (f"efficientnetb{i}", {}, 72 if i == 0 else 0)
        if i < 5:
            names[f"efficientnet_b{i}"] = (f"efficientnetb{i}", {}, 72 if i == 0 else 0)
    for depth in [18, 34, 50, 101, 152]:
        names[f"resnet{depth}"] = (f"resnet{depth}", {}, 0)
    for depth in [11, 13, 16, 19]:
        names[f"vgg{depth}"] = (f"vgg{depth}", {}, 0)
        names[f"vgg{depth}_bn"] = (f"vgg{depth}bn", {}, 0)
    for depth in [121, 161, 169, 201]:
        names[f"densenet{depth}"] = (f"densenet{depth}", {}, 0)
    for s in ["tiny", "small", "base"]:
        names[f"convnext_{s}"] = (f"convnext{s}", {}, 0)
    names["convnext_narrow"] = ("convnexttiny", {"width": 1 / 6}, 64)
    for v in ["a0", "a1", "a2", "b0", "b1", "b1g4", "b2", "b2g4", "b3", "b3g4"]:
        names[f"repvgg_{v}"] = (f"repvgg{v}", {}, 64 if v == "a0" else 0)
    for i in range(5):
        names[f"mobileone_s{i}"] = (f"mobileones{i}", {}, 64 if i in [0, 4] else 0)
    for v in ["t0", "t1", "t2", "s", "m", "l"]:
        names[f"fasternet_{v}"] = (f"fasternet{v}", {}, 64 if v == "t0" else 0)

    def make(name):
        if name == "convnext_narrow":
            return timm.create_model("convnext_tiny", pretrained=False, num_classes=CLASSES, dims=(16, 32, 64, 128))
        return timm.create_model(name, pretrained=False, num_classes=CLASSES)

    torch_networks("timm", names, make)


def keras_variables(model):
    """As src/importers reads them from files; models in models: `stem/conv/kernel`."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from ((f"{layer.name}/{k}", v) for k, v in keras_variables(layer))
        else:
            yield from ((f"{layer.name}/{v.name}", v) for v in layer.variables)


def keras_fill(variables):
    for k, v in variables:
        if k.startswith("normalization/"):
            v.assign(np.ones(v.shape) if k.endswith("variance") else np.zeros(v.shape))
            continue
        dims = tuple(v.shape)
        # HWIO, depthwise HWIM with M = 1, or [in, out].
        fan_in = int(np.prod(dims[:2] if len(dims) == 4 and dims[3] == 1 else dims[:-1], dtype=int))
        v.assign(weight(k, dims, fan_in))


def narrow_vgg16(weights, classes, classifier_activation, input_shape):
    """keras.applications.VGG16 with a sixteenth of its channels."""
    import keras

    def narrowed(layer):
        config = layer.get_config()
        for key in {"filters", "units"} & config.keys():
            if layer.name != "predictions":
                config[key] //= 16
        return layer.__class__.from_config(config)

    wide = keras.applications.VGG16(
        weights=weights, classes=classes, classifier_activation=classifier_activation, input_shape=input_shape
    )
    return keras.models.clone_model(wide, clone_function=narrowed)


def keras_names():
    import keras

    apps = keras.applications
    # 72 pixels: maps of 36, 18, 9, 5 and 3, even and odd.
    names = {
        "MobileNetV2 alpha=0.35": ("mobilenetv2", {"width": 0.35}, 75, {"alpha": 0.35}),
        "ResNet50": ("resnet50", {"variant": "v1"}, 72, {}),
        "MobileNetV3Small": ("mobilenetv3small", {}, 72, {"include_preprocessing": False}),
        "DenseNet121": ("densenet121", {}, 72, {}),
        "MobileNet alpha=0.25": ("mobilenetv1", {"width": 0.25}, 72, {"alpha": 0.25}),
        "EfficientNetB0": ("efficientnetb0", {}, 72, {}),
        "VGG16": ("vgg16", {}, 0, {}),
        "VGG16 narrow": ("vgg16", {"width": 1 / 16}, 224, {}),
        "ConvNeXtTiny": ("convnexttiny", {}, 0, {}),
        "ConvNeXtTiny narrow": ("convnexttiny", {"width": 1 / 6}, 64, {}),
        "MobileNetV3Large": ("mobilenetv3large", {}, 0, {"include_preprocessing": False}),
        "VGG19": ("vgg19", {}, 0, {}),
        "MobileNetV2": ("mobilenetv2", {}, 0, {}),
        "MobileNet": ("mobilenetv1", {}, 0, {}),
        "ResNet101": ("resnet101", {"variant": "v1"}, 0, {}),
        "DenseNet169": ("densenet169", {}, 0, {}),
        "ResNet152": ("resnet152", {"variant": "v1"}, 0, {}),
        "DenseNet201": ("densenet201", {}, 0, {}),
        **{f"EfficientNetB{i}": (f"efficientnetb{i}", {}, 0, {}) for i in range(1, 8)},
        "MobileNet alpha=0.5": ("mobilenetv1", {"width": 0.5}, 0, {"alpha": 0.5}),
        "MobileNet alpha=0.75": ("mobilenetv1", {"width": 0.75}, 0, {"alpha": 0.75}),
        "MobileNetV2 alpha=0.5": ("mobilenetv2", {"width": 0.5}, 0, {"alpha": 0.5}),
        "MobileNetV2 alpha=0.75": ("mobilenetv2", {"width": 0.75}, 0, {"alpha": 0.75}),
        "MobileNetV2 alpha=1.3": ("mobilenetv2", {"width": 1.3}, 0, {"alpha": 1.3}),
        "MobileNetV2 alpha=1.4": ("mobilenetv2", {"width": 1.4}, 0, {"alpha": 1.4}),
        "ConvNeXtSmall": ("convnextsmall", {}, 0, {}),
        "ConvNeXtBase": ("convnextbase", {}, 0, {}),
    }
    networks = recorded("keras")
    for name, (network, options, size, more) in names.items():
        if name in networks:
            continue
        keras.utils.clear_session()
        shape = (size or 224,) * 2 + (3,)
        # The public functions of these have no width.
        if name == "ConvNeXtTiny narrow":
            from keras.src.applications.convnext import ConvNeXt as make

            more = {"depths": [3, 3, 9, 3], "projection_dims": [16, 32, 64, 128], "include_preprocessing": False, "name": "narrow"}
        elif name == "VGG16 narrow":
            make = narrow_vgg16
        else:
            make = getattr(apps, name.split(" ")[0])
        model = make(weights=None, classes=CLASSES, classifier_activation=None, input_shape=shape, **more)
        variables = [(k, v) for k, v in keras_variables(model) if v.dtype == "float32"]
        entry = [network, options, [[k, list(v.shape)] for k, v in variables]]
        if size:
            keras_fill(variables)
            scale = 255 if name.startswith("EfficientNet") else 1  # its first layer divides
            logits = np.asarray(model(scale * images(size).transpose(0, 2, 3, 1), training=False))
            entry.append([size, [float(v) for v in logits.flatten()]])
        networks[name] = entry
        write("keras", networks)
        print(name, len(variables), np.abs(entry[3][1]).max() if size else "", flush=True)


if __name__ == "__main__":
    source = sys.argv[1]
    if source == "keras":
        keras_names()
    else:
        kept = declare_torchvision_operators()
        {"torchvision": torchvision_names, "timm": timm_names}[source]()
