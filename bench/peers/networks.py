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


class SqueezeExcitation(nn.Module):
    def __init__(self, channels):
        super().__init__()
        squeezed = make_divisible(channels // 4)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        s = F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)), inplace=True)
        return x * F.hardsigmoid(self.fc2(s))


def conv_bn(inner, out, kernel, activation=None, stride=1, groups=1):
    conv = nn.Conv2d(inner, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    layers = [conv, nn.BatchNorm2d(out, eps=0.001, momentum=0.01)]
    return nn.Sequential(*layers, *([activation(inplace=True)] if activation else []))


class BottleneckV3(nn.Module):
    def __init__(self, inner, kernel, hidden, out, squeeze, activation, stride):
        super().__init__()
        layers = [] if hidden == inner else [conv_bn(inner, hidden, 1, activation)]
        layers.append(conv_bn(hidden, hidden, kernel, activation, stride, hidden))
        if squeeze:
            layers.append(SqueezeExcitation(hidden))
        layers.append(conv_bn(hidden, out, 1))
        self.block = nn.Sequential(*layers)
        self.residual = stride == 1 and inner == out

    def forward(self, x):
        return x + self.block(x) if self.residual else self.block(x)


class MobileNetV3Large(nn.Module):
    # Kernel, expanded channels, channels, squeeze-and-excite, hard swish, stride (Howard et al. 2019, table 1).
    ROWS = [
        (3, 16, 16, False, False, 1),
        (3, 64, 24, False, False, 2),
        (3, 72, 24, False, False, 1),
        (5, 72, 40, True, False, 2),
        (5, 120, 40, True, False, 1),
        (5, 120, 40, True, False, 1),
        (3, 240, 80, False, True, 2),
        (3, 200, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 480, 112, True, True, 1),
        (3, 672, 112, True, True, 1),
        (5, 672, 160, True, True, 2),
        (5, 960, 160, True, True, 1),
        (5, 960, 160, True, True, 1),
    ]

    def __init__(self, classes):
        super().__init__()
        inner = 16
        layers = [conv_bn(3, inner, 3, nn.Hardswish, 2)]
        for kernel, hidden, out, squeeze, swish, stride in self.ROWS:
            activation = nn.Hardswish if swish else nn.ReLU
            layers.append(BottleneckV3(inner, kernel, hidden, out, squeeze, activation, stride))
            inner = out
        layers.append(conv_bn(inner, 6 * inner, 1, nn.Hardswish))
        self.features = nn.Sequential(*layers)
        # The zoo's network has no dropout; the empty layer keeps the name classifier.3.
        head = [nn.Linear(6 * inner, 1280), nn.Hardswish(inplace=True), nn.Identity()]
        self.classifier = nn.Sequential(*head, nn.Linear(1280, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class ProjectedBlock(nn.Module):
    """Two 3x3 convolutions; shortcut B (He et al. 2015): a 1x1 convolution where the dims change."""

    expansion = 1

    def __init__(self, inner, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or inner != out:
            self.downsample = nn.Sequential(nn.Conv2d(inner, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y, inplace=True)


class ProjectedBottleneck(nn.Module):
    """1x1, 3x3 (which has the stride) and 1x1 to four times the channels; shortcut B."""

    expansion = 4

    def __init__(self, inner, channels, stride):
        super().__init__()
        out = channels * self.expansion
        self.conv1 = nn.Conv2d(inner, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or inner != out:
            self.downsample = nn.Sequential(nn.Conv2d(inner, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y, inplace=True)


class ImageNetResNet(nn.Module):
    def __init__(self, block, repeats, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inner = 64
        for stage, (channels, repeat) in enumerate(zip((64, 128, 256, 512), repeats)):
            blocks = []
            for i in range(repeat):
                blocks.append(block(inner, channels, 2 if stage > 0 and i == 0 else 1))
                inner = channels * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inner, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def build(task):
    arch, width, classes = task["arch"], task["width"], task["classes"]
    if arch == "mobilenetv2":
        return MobileNetV2(width, classes, task["stem"])
    if arch == "mobilenetv3large" and width == 1:
        return MobileNetV3Large(classes)
    if arch == "resnet18" and width == 1:
        return ImageNetResNet(ProjectedBlock, (2, 2, 2, 2), classes)
    if arch == "resnet50" and width == 1:
        return ImageNetResNet(ProjectedBottleneck, (3, 4, 6, 3), classes)
    if arch == "resnet20" and width == 1:
        return CifarResNet(20, classes)
    raise SystemExit(f"networks.py has no {arch} of width {width}")
