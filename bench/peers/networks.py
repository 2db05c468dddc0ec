"""The networks of src/zoo in PyTorch, with the same parameter names."""

from torch import nn
from torch.nn import functional as F


def make_divisible(value, divisor=8):
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class BasicBlock(nn.Module):
    """Two 3x3 convolutions; shortcut A (He et al. 2015): every second pixel, missing channels are zero."""

    def __init__(self, inner, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.stride, self.missing = stride, out - inner

    def shortcut(self, x):
        if self.stride == 1 and self.missing == 0:
            return x
        before = self.missing // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.missing - before))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.shortcut(x), inplace=True)


class CifarResNet(nn.Module):
    def __init__(self, depth, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        inner = 16
        for stage, out in enumerate((16, 32, 64)):
            blocks = []
            for block in range((depth - 2) // 6):
                blocks.append(BasicBlock(inner, out, 2 if stage > 0 and block == 0 else 1))
                inner = out
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(inner, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def conv_bn_relu6(inner, out, kernel, stride=1, groups=1):
    conv = nn.Conv2d(inner, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    def __init__(self, inner, out, expansion, stride):
        super().__init__()
        hidden = inner * expansion
        layers = [] if expansion == 1 else [conv_bn_relu6(inner, hidden, 1)]
        layers += [
            conv_bn_relu6(hidden, hidden, 3, stride, hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        ]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and inner == out

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    # Expansion, channels, repeats, stride (Sandler et al. 2018, table 2).
    STAGES = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]

    def __init__(self, width, classes, stem):
        super().__init__()
        cifar = stem == "cifar"
        inner = make_divisible(32 * width)
        layers = [conv_bn_relu6(3, inner, 3, 1 if cifar else 2)]
        for stage, (expansion, channels, repeats, stride) in enumerate(self.STAGES):
            out = make_divisible(channels * width)
            for repeat in range(repeats):
                first = 1 if cifar and stage == 1 else stride
                layers.append(InvertedResidual(inner, out, expansion, first if repeat == 0 else 1))
                inner = out
        last = make_divisible(1280 * max(1, width))
        layers.append(conv_bn_relu6(inner, last, 1))
        self.features = nn.Sequential(*layers)
        # The zoo's network has no dropout; the empty layer keeps the name classifier.1.
        self.classifier = nn.Sequential(nn.Identity(), nn.Linear(last, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def build(task):
    if task["arch"] == "mobilenetv2":
        return MobileNetV2(task["width"], task["classes"], task["stem"])
    if task["arch"] == "resnet20" and task["width"] == 1:
        return CifarResNet(20, task["classes"])
    raise SystemExit(f"networks.py has no {task['arch']} of width {task['width']}")
