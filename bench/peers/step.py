"""One process of a PyTorch side: python step.py FOLDER eager|channels_last. Prints one line of JSON (speed/report.ts)."""

import json
import math
import re
import struct
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from networks import build
from refconv import refocus


def read_weights(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + at for at in entry["data_offsets"])
        array = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors


def elsewhere():
    """Core time of other programs so far, ms, right to a tick or two (10 ms each); None where the kernel does not say."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = (int(field) for field in fields[:8])
    return (user + nice + system + irq + softirq + steal) * 10 - time.process_time() * 1e3


def peak_memory():
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None


def main(folder, side):
    task = json.loads((folder / "task.json").read_text())
    torch.set_num_threads(task["threads"])
    batch, shape = task["batch"], task["image"]
    images = np.fromfile(folder / "images.bin", np.uint8).reshape(batch, *shape)
    labels = torch.from_numpy(np.fromfile(folder / "labels.bin", "<i4").astype(np.int64))
    images = torch.from_numpy(images)

    net = build(task)
    missing, _ = net.load_state_dict(read_weights(folder / "weights.safetensors"), strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing:
        raise SystemExit(f"the zoo has no weights of these names: {', '.join(missing)}")
    if task["form"] == "refconv":
        refocus(net)
    layout = torch.channels_last if side == "channels_last" else torch.contiguous_format
    net = net.train().to(memory_format=layout)

    parameters = list(net.parameters())
    optimizer = torch.optim.SGD(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": task["weightDecay"]},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0},
        ],
        lr=task["lr"],
        momentum=task["momentum"],
    )
    preprocess = task["preprocess"]
    mean, std = (torch.tensor(preprocess[key]).view(1, -1, 1, 1) for key in ("mean", "std"))

    def step():
        x = (images.to(torch.float32) * preprocess["scale"] - mean) / std
        optimizer.zero_grad()
        logits = net(x.contiguous(memory_format=layout))
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        correct = (logits.detach().argmax(1) == labels).sum()
        return loss.item(), correct.item()

    milliseconds, others, losses = [], [], []
    for i in range(task["warmup"] + task["steps"]):
        before = elsewhere()
        start = time.perf_counter()
        loss, _ = step()
        took = (time.perf_counter() - start) * 1e3
        after = elsewhere()
        losses.append(loss if math.isfinite(loss) else None)
        if i >= task["warmup"]:
            milliseconds.append(took)
            others.append(None if before is None or after is None else max(0, after - before))
    report = {
        "milliseconds": milliseconds,
        "elsewhere": others,
        "losses": losses,
        "parameters": sum(p.numel() for p in parameters),
        "peak": peak_memory(),
        "library": f"torch {torch.__version__} (Python {sys.version.split()[0]})",
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
