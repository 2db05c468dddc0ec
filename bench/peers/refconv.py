"""RefConv as published, for PyTorch (docs/concepts.md):

    W_t = W_b + conv2d(view(W_b, [1, n, k, k]), W_r, padding = m // 2, groups = G)
    n = C_out * C_in / g      G = C_in * C_out / g^2
"""

import torch
from torch import nn
from torch.nn import functional as F


class RefConv(nn.Module):
    """Stands in for a bias-free convolution: its kernel W_b is frozen, the map W_r is trained, from zero."""

    def __init__(self, conv, map_kernel=3):
        super().__init__()
        groups = conv.groups
        self.n = conv.out_channels * conv.in_channels // groups
        self.map_groups = conv.out_channels * conv.in_channels // groups**2
        self.register_buffer("weight", conv.weight.detach().clone())
        self.map = nn.Parameter(torch.zeros(self.n, self.n // self.map_groups, map_kernel, map_kernel))
        self.stride, self.padding, self.groups = conv.stride, conv.padding, groups

    def forward(self, x):
        base = self.weight
        image = base.reshape(1, self.n, *base.shape[2:])
        change = F.conv2d(image, self.map, padding=self.map.shape[-1] // 2, groups=self.map_groups)
        return F.conv2d(x, base + change.reshape(base.shape), None, self.stride, self.padding, 1, self.groups)


def refocus(module):
    """Replaces every convolution larger than 1x1, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and max(child.kernel_size) > 1:
            setattr(module, name, RefConv(child))
        else:
            refocus(child)
