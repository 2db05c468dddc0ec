"""Writes test/fixtures/infer/cases.json: single operators with the types of their inputs and outputs.

    python scripts/infer-cases.py          (onnx 1.23, onnxruntime 1.30, numpy)

Three sources, none of them this project: the node tests of the onnx package (the output arrays of its reference
implementation), older operator versions run by ONNX Runtime, and a seeded grid of windows run by ONNX Runtime.
A case is {op, opset, in, attrs, out}; an input is null (left out), [type, dims] or [type, dims, values] where shape
inference may need the values; an output is null or [type, dims].
"""
import itertools
import json
import pathlib
import random
import re
import warnings

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).parent.parent
SUPPORTED = set(re.findall(r"'(\w+)'", (ROOT / "src/onnx/ops/supported.ts").read_text()))
PLAIN = {"float32", "float64", "float16", "int64", "int32", "int8", "uint8", "int16", "uint16", "uint32", "uint64", "bool"}
VALUES = {"int64": 64, "int32": 64, "bool": 16, "float32": 8}


def attribute(a):
    v = helper.get_attribute_value(a)
    kind = onnx.AttributeProto.AttributeType.Name(a.type).lower()
    if kind == "string":
        return {"string": v.decode()}
    if kind in ("int", "float"):
        return {kind: v}
    if kind in ("ints", "floats"):
        return {kind: list(v)}
    if kind == "tensor":
        array = onnx.numpy_helper.to_array(v)
        if str(array.dtype) not in PLAIN or array.size > 64:
            return None
        return {"tensor": [str(array.dtype), list(array.shape), array.astype(float).ravel().tolist()]}
    return None


def described(array, values=False):
    name = str(array.dtype)
    if name not in PLAIN:
        return None
    if values and 0 <= array.size <= VALUES.get(name, -1) and np.isfinite(array.astype(float)).all():
        return [name, list(array.shape), [int(x) if name != "float32" else float(x) for x in array.ravel()]]
    return [name, list(array.shape)]


def case(node, opset, inputs, outputs):
    """None when something in it cannot be said in JSON."""
    attrs = {}
    for a in node.attribute:
        attrs[a.name] = attribute(a)
        if attrs[a.name] is None:
            return None
    ins, outs = [], []
    for name in node.input:
        ins.append(None if name == "" else described(inputs[name], True))
        if name and ins[-1] is None:
            return None
    for name in node.output:
        if name == "":
            outs.append(None)
            continue
        if not isinstance(outputs[name], np.ndarray) or described(outputs[name]) is None:
            return None
        outs.append(described(outputs[name]))
    return {"op": node.op_type, "opset": opset, "in": ins, "attrs": attrs, "out": outs}


def from_onnx():
    from onnx.backend.test.case.node import collect_testcases

    for t in collect_testcases(None):
        nodes = t.model.graph.node
        if len(nodes) != 1 or nodes[0].domain or nodes[0].op_type not in SUPPORTED or not t.data_sets:
            continue
        ins, outs = t.data_sets[0]
        if not all(isinstance(x, np.ndarray) for x in list(ins) + list(outs)):
            continue
        node = nodes[0]
        given = dict(zip([i.name for i in t.model.graph.input], ins))
        made = dict(zip([o.name for o in t.model.graph.output], outs))
        if any(n and n not in given for n in node.input) or any(n and n not in made for n in node.output):
            continue
        yield case(node, t.model.opset_import[0].version, given, made)


def run(op, opset, inputs, n_out=1, **attrs):
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    node = helper.make_node(op, names, [f"y{i}" for i in range(n_out)], **attrs)
    given = {f"x{i}": x for i, x in enumerate(inputs) if x is not None}
    data = {n: x for n, x in given.items() if x.ndim > 1}
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in data.items()],
        [onnx.ValueInfoProto(name=o) for o in node.output],
        [onnx.numpy_helper.from_array(np.asarray(x), n) for n, x in given.items() if n not in data],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    made = dict(zip([o.name for o in session.get_outputs()], session.run(None, data)))
    return case(node, opset, given, made)


def f(*dims):
    return np.zeros(dims, np.float32)


def i64(*values):
    return np.array(values, np.int64)


def older():
    x = f(2, 3, 4, 5)
    for opset in (7, 9):
        yield run("Squeeze", opset, [f(1, 3, 1, 5)], axes=[0, 2])
        yield run("Squeeze", opset, [f(1, 3, 1, 5)])
        yield run("Unsqueeze", opset, [f(3, 5)], axes=[0, 3])
        yield run("Slice", opset, [x], axes=[1, 3], starts=[1, -2], ends=[9999, 5])
        yield run("Slice", opset, [x], starts=[1, 0], ends=[2, -1])
        yield run("Pad", opset, [x], pads=[0, 1, 2, 0, 0, 0, 3, 1], mode="constant")
        yield run("Pad", opset, [x], pads=[0, 0, 1, 2, 0, 0, 1, -1], mode="edge")
        yield run("Split", opset, [x], 2, axis=1, split=[1, 2])
        yield run("Split", opset, [f(2, 6)], 3, axis=1)
        yield run("Clip", opset, [x], min=0.0, max=6.0)
        yield run("TopK", opset, [x], 2, axis=1, k=2)
        yield run("Softmax", opset, [x], axis=2)
        yield run("Dropout", opset, [x], 1, ratio=0.3)
        yield run("ReduceSum", opset, [x], axes=[1, 2], keepdims=0)
        yield run("ReduceMean", opset, [x], axes=[3])
        yield run("ReduceMax", opset, [x], keepdims=0)
        yield run("BatchNormalization", opset, [x, f(3), f(3), f(3), f(3) + 1])
        yield run("Flatten", opset, [x], axis=2)
        yield run("Gemm", opset, [f(5, 2), f(5, 3), f(3)], transA=1)
        yield run("ArgMax", opset, [x], axis=1, keepdims=0)
    yield run("Upsample", 7, [x], scales=[1.0, 1.0, 2.0, 1.5], mode="nearest")
    yield run("Upsample", 9, [x, np.array([1, 1, 2, 2.5], np.float32)], mode="linear")
    yield run("Resize", 10, [x, np.array([1, 1, 0.6, 1.7], np.float32)], mode="nearest")
    for opset in (11, 13):
        yield run("Resize", opset, [x, f(0), np.array([1, 1, 0.7, 1.3], np.float32)], mode="linear")
        yield run("Resize", opset, [x, f(0), f(0), i64(2, 3, 7, 9)], mode="nearest")
    yield run("Slice", 10, [x, i64(1, 0), i64(4, 3), i64(2, 3), i64(2, 1)])
    for opset in (11, 13):
        yield run("Slice", opset, [x, i64(3, -1), i64(0, -999), i64(2, -1), i64(-2, -2)])
    yield run("Dropout", 10, [x], 2, ratio=0.5)
    yield run("TopK", 10, [x, i64(2)], 2, axis=1)
    yield run("Pad", 11, [x, i64(0, 0, 1, 1, 0, 0, 2, 2), np.float32(1)])
    yield run("Pad", 18, [x, i64(1, 2, 3, 4), None, i64(-1, 2)])
    for opset in (11, 12):
        yield run("Softmax", opset, [x], axis=-1)
        yield run("Unsqueeze", opset, [f(3, 5)], axes=[-1, 0])
        yield run("ReduceSum", opset, [x], axes=[-1])
    yield run("ReduceMean", 18, [x, i64(1, -1)], keepdims=0)
    yield run("ReduceMean", 18, [x], noop_with_empty_axes=1)
    yield run("ReduceSum", 13, [x, np.zeros(0, np.int64)], keepdims=0)
    yield run("Split", 13, [x, i64(1, 3)], 2, axis=2)
    yield run("Split", 18, [f(7, 2)], 3, num_outputs=3)
    yield run("Reshape", 13, [x, i64(0, -1, 5)])
    yield run("Reshape", 14, [f(0, 3), i64(3, 0)], allowzero=1)
    yield run("Shape", 15, [x], start=1, end=-1)
    yield run("MatMul", 13, [f(2, 1, 3, 4), f(5, 4, 6)])
    yield run("MatMul", 13, [f(4), f(5, 4, 6)])
    yield run("MatMul", 13, [f(3, 4), f(4)])
    yield run("Gather", 13, [x, np.zeros((2, 2), np.int64)], axis=-2)
    yield run("Expand", 13, [f(3, 1), i64(2, 1, 6)])
    yield run("Einsum", 12, [f(2, 3, 4), f(2, 4, 5)], equation="bij, bjk -> bik")
    yield run("Einsum", 12, [f(2, 3, 4), f(4, 5)], equation="...ij,jk")
    yield run("Range", 11, [np.float32(1), np.float32(2), np.float32(0.3)])
    yield run("GlobalAveragePool", 7, [x])
    yield run("BatchNormalization", 15, [x, f(3), f(3), f(3), f(3) + 1], 3, training_mode=1)
    yield run("LayerNormalization", 17, [x, f(4, 5), f(4, 5)], 3, axis=2)
    yield run("PRelu", 9, [x, f(3, 1, 1)])
    yield run("Where", 9, [np.zeros((3, 1), bool), f(2, 1, 5), f(1, 5)])


def windows():
    rng = random.Random(20)
    made = 0
    while made < 160:
        op = rng.choice(["Conv", "Conv", "ConvTranspose", "MaxPool", "AveragePool"])
        rank = rng.choice([1, 2, 2, 2, 3])
        size = [rng.randint(1, 12) for _ in range(rank)]
        kernel = [rng.randint(1, 4) for _ in range(rank)]
        attrs = {}
        if rng.random() < 0.7:
            attrs["strides"] = [rng.randint(1, 3) for _ in range(rank)]
        if rng.random() < 0.4:
            attrs["dilations"] = [rng.randint(1, 3) for _ in range(rank)]
        how = rng.choice(["none", "pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID"])
        if how == "pads":
            attrs["pads"] = [rng.randint(0, kernel[i % rank] - 1) for i in range(2 * rank)]
        elif how != "none":
            attrs["auto_pad"] = how
        if op.endswith("Pool"):
            attrs["kernel_shape"] = kernel
            attrs["ceil_mode"] = rng.randint(0, 1)
            inputs = [f(1, 2, *size)]
        else:
            groups = rng.choice([1, 1, 2])
            attrs["group"] = groups
            inputs = [f(1, 2 * groups, *size), f(2 * groups, 2 if op == "Conv" else 3, *kernel)]
            if op == "ConvTranspose" and rng.random() < 0.4:
                attrs["output_padding"] = [rng.randint(0, s - 1) for s in attrs.get("strides", [1] * rank)]
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, attrs.get("dilations", [1] * rank))]
        room = [n + sum(attrs.get("pads", [0] * 2 * rank)[i::rank]) for i, n in enumerate(size)]
        if not attrs.get("ceil_mode") and any(r > n for r, n in zip(reach, room)):
            continue  # ONNX Runtime rounds a negative quotient towards 0 and runs some of these
        if op.endswith("Pool") and how.startswith("SAME") and "dilations" in attrs:
            continue  # ONNX Runtime 1.30 forgets the dilation there; the specification says ceil(input / stride)
        try:
            found = run(op, 19, inputs, **attrs)
        except Exception:  # a window that does not fit
            continue
        if 0 in found["out"][0][1]:
            continue
        made += 1
        yield found


def main():
    seen = {}
    for c in itertools.chain(from_onnx(), older(), windows()):
        if c is None:
            continue
        seen.setdefault(json.dumps(c, separators=(",", ":")), c)
    out = ROOT / "test/fixtures/infer/cases.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("[\n" + ",\n".join(seen) + "\n]\n")
    print(len(seen), "cases", out.stat().st_size, "bytes")


main()
