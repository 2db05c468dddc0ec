"""One process of a PyTorch side: python step.py FOLDER eager|channels_last|compile."""

import sys
from pathlib import Path

import torch
from torch.nn import functional as F

from networks import build
from process import Task, report
from refconv import refocus


def network(task):
    """The network of a task as it is trained, with the task's weights."""
    net = build(task)
    weights = {name: torch.from_numpy(array) for name, array in task.weights().items()}
    missing, _ = net.load_state_dict(weights, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing:
        raise SystemExit(f"the zoo has no weights of these names: {', '.join(missing)}")
    if task["training"] == "refocus":
        refocus(net)
    return net.train()


def optimizer_of(net, task):
    parameters = list(net.parameters())
    return torch.optim.SGD(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": task["weightDecay"]},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0},
        ],
        lr=task["lr"],
        momentum=task["momentum"],
    )


def pixel_statistics(task):
    """Mean and standard deviation as they broadcast over NCHW."""
    return (torch.tensor(task["preprocess"][key]).view(1, -1, 1, 1) for key in ("mean", "std"))


def main(folder, side):
    task = Task(folder)
    torch.set_num_threads(task["threads"])
    images = torch.from_numpy(task.images)
    labels = torch.from_numpy(task.labels).to(torch.int64)

    # torch.compile is fastest on channels_last too.
    layout = torch.contiguous_format if side == "eager" else torch.channels_last
    net = network(task).to(memory_format=layout)
    optimizer = optimizer_of(net, task)
    forward = torch.compile(net) if side == "compile" else net
    scale = task["preprocess"]["scale"]
    mean, std = pixel_statistics(task)

    def step():
        x = (images.to(torch.float32) * scale - mean) / std
        optimizer.zero_grad()
        logits = forward(x.contiguous(memory_format=layout))
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        (logits.detach().argmax(1) == labels).sum().item()
        return loss.item()

    report(task, step, sum(p.numel() for p in net.parameters()), f"torch {torch.__version__}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
