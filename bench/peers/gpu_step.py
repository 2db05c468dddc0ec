"""One process of a PyTorch side on a graphics card: python gpu_step.py FOLDER fp32|tf32|amp|amp_channels_last DEVICE."""

import sys
from pathlib import Path

import torch
from torch.nn import functional as F

from process import Task, report
from step import network, optimizer_of, pixel_statistics


def main(folder, side, device):
    task = Task(folder)
    torch.set_num_threads(task["threads"])
    torch.backends.cuda.matmul.allow_tf32 = side != "fp32"
    torch.backends.cudnn.allow_tf32 = side != "fp32"
    torch.backends.cudnn.benchmark = True
    amp = side.startswith("amp")
    layout = torch.channels_last if side == "amp_channels_last" else torch.contiguous_format

    net = network(task).to(device, memory_format=layout)
    optimizer = optimizer_of(net, task)
    scale = task["preprocess"]["scale"]
    mean, std = (v.to(device) for v in pixel_statistics(task))
    # A processor has no use for float16: there AMP is bfloat16, which needs no scaling of the loss.
    half = torch.bfloat16 if device == "cpu" else torch.float16
    scaler = torch.amp.GradScaler(device, enabled=amp and half == torch.float16)
    images = torch.from_numpy(task.images)
    labels = torch.from_numpy(task.labels).to(torch.int64)
    if device != "cpu":
        images, labels = images.pin_memory(), labels.pin_memory()

    def step():
        pixels = images.to(device, non_blocking=True)
        target = labels.to(device, non_blocking=True)
        x = (pixels.to(torch.float32) * scale - mean) / std
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=half, enabled=amp):
            logits = net(x.contiguous(memory_format=layout))
            loss = F.cross_entropy(logits, target)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        (logits.detach().argmax(1) == target).sum().item()
        return loss.item()

    on = torch.cuda.get_device_name() if device == "cuda" else device
    library = f"torch {torch.__version__} on {on}"
    report(task, step, sum(p.numel() for p in net.parameters()), library)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
