"""Writes test/fixtures/torchinfo.json: the totals that torchinfo 1.8.0 prints for PyTorch networks.

    python3 scripts/make-torchinfo-fixtures.py GENERATORS   (needs torch, torchvision, torchinfo)

GENERATORS is the folder with the generator of the exported golden networks (a_onnx_export.py); the study networks are
defined here. `usedParameterBytes` leaves out parameters of modules that did not run: torchinfo before 1.8 printed those as
"Params size", 1.8 counts every parameter there.
"""

import json
import os
import sys

import torch
from torch import nn
from torchinfo import summary

FILE = os.path.join(os.path.dirname(__file__), "..", "test", "fixtures", "torchinfo.json")


class Unit(nn.Module):
    """A residual unit with a projection in every case; used where `uses` says so."""

    def __init__(self, inside, inner, stride, bottleneck, uses):
        super().__init__()
        out = inner * 4 if bottleneck else inner

        def part(i, o, k, s=1):
            return [nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o)]

        if bottleneck:
            layers = [*part(inside, inner, 1, stride), nn.ReLU(), *part(inner, inner, 3), nn.ReLU(), *part(inner, out, 1)]
        else:
            layers = [*part(inside, inner, 3, stride), nn.ReLU(), *part(inner, out, 3)]
        self.branch = nn.Sequential(*layers)
        self.projection = nn.Sequential(*part(inside, out, 1, stride))
        self.uses = uses

    def forward(self, x):
        return torch.relu(self.branch(x) + (self.projection(x) if self.uses else x))


def study34():
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)]
    inside = 64
    for stage, count in enumerate([3, 4, 6, 3]):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(Unit(inside, 64 << stage, stride, False, stride == 2))
            inside = 64 << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


def conv2x():
    return nn.Sequential(*[Unit(64, 64, 1, False, False) for _ in range(3)])


def conv4x():
    return nn.Sequential(*[Unit(512 if i == 0 else 1024, 256, 2 if i == 0 else 1, True, True) for i in range(23)])


STUDY = {
    "study resnet34": (study34, (10, 3, 224, 224)),
    "study resnet34 conv2_x": (conv2x, (10, 64, 56, 56)),
    "study resnet101 conv4_x": (conv4x, (10, 512, 28, 28)),
}


def facts(model, shape):
    s = summary(model, input_size=shape, verbose=0, device="cpu")
    used = {}
    for layer in s.summary_list:
        if layer.executed:
            for p in layer.module.parameters(recurse=False):
                used[id(p)] = p.numel() * p.element_size()
    return {
        "input": list(shape),
        "parameters": s.total_params,
        "multAdds": s.total_mult_adds,
        "inputBytes": s.total_input,
        "passBytes": s.total_output_bytes,
        "parameterBytes": s.total_param_bytes,
        "usedParameterBytes": sum(used.values()),
    }


def main(generators):
    sys.path.insert(0, generators)
    import a_onnx_export

    out = {}
    for name, (make, shape, _) in a_onnx_export.MODELS.items():
        out[name] = facts(make().eval(), shape)
    for name, (make, shape) in STUDY.items():
        out[name] = facts(make().eval(), shape)
    with open(FILE, "w") as f:
        f.write("{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in out.items()) + "\n}\n")


main(sys.argv[1])
