"""What every peer in Python does alike: read a task (speed/task.ts), time steps, print a report (speed/report.ts)."""

import json
import math
import re
import struct
import sys
import time
from pathlib import Path

import numpy as np


class Task:
    def __init__(self, folder):
        self.settings = json.loads((folder / "task.json").read_text())
        shape = (self["batch"], *self["image"])
        self.images = np.fromfile(folder / "images.bin", np.uint8).reshape(shape)
        self.labels = np.fromfile(folder / "labels.bin", "<i4")
        self.folder = folder

    def __getitem__(self, key):
        return self.settings[key]

    def weights(self):
        """Arrays by name, OIHW."""
        data = (self.folder / "weights.safetensors").read_bytes()
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        arrays = {}
        for name, entry in header.items():
            begin, end = (8 + length + at for at in entry["data_offsets"])
            arrays[name] = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"]).copy()
        return arrays

    def layers(self):
        """The plain network as a list (speed/layers.ts)."""
        return json.loads((self.folder / "layers.json").read_text())


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


def report(task, step, parameters, library):
    """Times the steps of a task and prints what they took. `step` trains once and returns the loss, a float."""
    milliseconds, others, losses = [], [], []
    for i in range(task["warmup"] + task["steps"]):
        before = elsewhere()
        start = time.perf_counter()
        loss = step()
        took = (time.perf_counter() - start) * 1e3
        after = elsewhere()
        losses.append(loss if math.isfinite(loss) else None)
        if i >= task["warmup"]:
            milliseconds.append(took)
            others.append(None if before is None or after is None else max(0, after - before))
    line = {
        "milliseconds": milliseconds,
        "elsewhere": others,
        "losses": losses,
        "parameters": parameters,
        "peak": peak_memory(),
        "library": f"{library} (Python {sys.version.split()[0]})",
    }
    print(json.dumps(line))
