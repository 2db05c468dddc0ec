"""Makes test/fixtures/onnx/*.onnx: small models that hold everything an ONNX file can hold.

Run: python scripts/make-onnx-fixtures.py   (onnx 1.23.1, numpy 2.4.6; the output is the same bytes on every run)
"""
import pathlib
import struct

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures" / "onnx"
rng = np.random.default_rng(7)


def save(name, model):
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = model if isinstance(model, bytes) else model.SerializeToString(deterministic=True)
    path.write_bytes(data)
    print(f"{name}: {len(data)} bytes")


def info(name, shape, dtype=T.FLOAT):
    return h.make_tensor_value_info(name, dtype, shape)


def weight(name, *dims):
    return numpy_helper.from_array(rng.standard_normal(dims).astype(np.float32), name)


def opset(*pairs):
    return [h.make_opsetid(d, v) for d, v in pairs]


def varint(v):
    out = b""
    while v > 127:
        out += bytes([v & 127 | 128])
        v >>= 7
    return out + bytes([v])


def field(number, wire, payload):
    head = varint(number << 3 | wire)
    return head + (varint(len(payload)) + payload if wire == 2 else payload)


def add_unknown(message, number):
    """Appends unknown fields of each wire type to a message."""
    extra = field(number, 0, varint(300)) + field(number + 1, 1, struct.pack("<d", 1.5))
    extra += field(number + 2, 2, b"later \xff version") + field(number + 3, 5, struct.pack("<f", 2.5))
    extra += field(number, 0, varint(301))
    message.MergeFromString(extra)


def if_node(name, cond, then_nodes, then_out, else_nodes, else_out, output):
    then = h.make_graph(then_nodes, f"{name}_then", [], [info(then_out, None)])
    other = h.make_graph(else_nodes, f"{name}_else", [], [info(else_out, None)])
    return h.make_node("If", [cond], [output], name=name, then_branch=then, else_branch=other)


def control_flow():
    """Loop and nested Ifs that capture outer values, at IR 8."""
    inner = if_node(
        "inner", "flag",
        [h.make_node("Add", ["t", "w"], ["deep"])], "deep",
        [h.make_node("Sub", ["t", "x"], ["deep_else"])], "deep_else",
        "nested",
    )
    outer = if_node(
        "outer", "flag",
        [h.make_node("Mul", ["x", "w"], ["t"]), inner], "nested",
        [h.make_node("Identity", ["x"], ["other"])], "other",
        "chosen",
    )
    body = h.make_graph(
        [
            h.make_node("Add", ["state", "w"], ["next"]),
            h.make_node("Identity", ["go"], ["go_on"]),
            h.make_node("Identity", ["next"], ["scan"]),
        ],
        "body",
        [info("i", [], T.INT64), info("go", [], T.BOOL), info("state", [2])],
        [info("go_on", [], T.BOOL), info("next", [2]), info("scan", [2])],
        [weight("only_inside", 2)],
        doc_string="the loop's body",
        value_info=[info("next", [2])],
    )
    graph = h.make_graph(
        [
            outer,
            h.make_node("Loop", ["trips", "flag", "chosen"], ["last", "all"], name="loop", body=body),
            h.make_node("Clip", ["last", "", "high"], ["clipped"], name="clip"),
            h.make_node("Dropout", ["clipped"], ["kept", ""], name="dropout"),
        ],
        "control",
        [info("x", [2]), info("flag", [], T.BOOL), info("w", [2])],
        [info("kept", [2]), info("all", [None, 2])],
        [
            weight("w", 2),
            numpy_helper.from_array(np.array(3, np.int64), "trips"),
            numpy_helper.from_array(np.array(1, np.float32), "high"),
        ],
        value_info=[info("clipped", [2]), info("chosen", ["n"]), info("last", None)],
    )
    return h.make_model(graph, opset_imports=opset(("", 17)), ir_version=8, producer_name="fixtures")


def shadowing():
    """A branch that defines a name of the outer graph again, and one that hands an outer value on."""
    node = if_node(
        "if", "flag",
        [h.make_node("Neg", ["x"], ["h"])], "h",
        [], "x",
        "y",
    )
    graph = h.make_graph(
        [h.make_node("Relu", ["x"], ["h"], name="first"), node, h.make_node("Add", ["h", "y"], ["z"])],
        "shadow", [info("x", [2]), info("flag", [], T.BOOL)], [info("z", [2])],
    )
    return h.make_model(graph, opset_imports=opset(("", 17)), ir_version=8)


def annotated():
    """IR 8: functions, sparse initializer, quantization annotation, training info, an initializer that is an input."""
    values = numpy_helper.from_array(np.array([1.5, -2.5], np.float32), "sparse")
    indices = numpy_helper.from_array(np.array([[0, 1], [1, 2]], np.int64), "sparse_indices")
    linear = h.make_sparse_tensor(
        numpy_helper.from_array(np.array([7], np.int32), "linear"),
        numpy_helper.from_array(np.array([4], np.int64), "linear_indices"), [6],
    )
    function = h.make_function(
        "local", "Twice", ["a"], ["b"],
        [h.make_node("Constant", [], ["two"], value_float=2.0), h.make_node("Mul", ["a", "two"], ["b"])],
        opset(("", 17), ("extra", 3)), ["alpha"],
    )
    graph = h.make_graph(
        [
            h.make_node("Twice", ["x"], ["t"], name="call", domain="local"),
            h.make_node("MatMul", ["t", "sparse"], ["m"], name="mm"),
            h.make_node("Fancy", ["m", "", "scale", ""], ["f", "", "g"], name="fancy", domain="com.example",
                        doc_string="an operator of another domain", floats=[0.1, float("inf")], ints=[-1, 2**63 - 1],
                        strings=["a", b"\xff\x00"], none=h.make_tensor("empty", T.FLOAT, [0], [])),
            h.make_node("Add", ["f", "scale"], ["y"], name="same"),
            h.make_node("Identity", ["y"], ["z"], name="same"),
        ],
        "annotated",
        [info("x", ["batch", 2]), info("scale", [3])],
        [info("z", ["batch", 3]), info("y", ["batch", 3])],
        [weight("scale", 3), h.make_tensor("names", T.STRING, [2], [b"one", b"\xfe"])],
        doc_string="graph doc",
        value_info=[info("t", ["batch", 2]), info("ghost", [4]), info("scale", [3]), info("y", ["other", 3])],
        sparse_initializer=[h.make_sparse_tensor(values, indices, [2, 3]), linear],
    )
    graph.input[0].doc_string = "the input's doc"
    graph.input[0].type.denotation = "IMAGE"
    graph.input[0].type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    annotation = graph.quantization_annotation.add()
    annotation.tensor_name = "scale"
    annotation.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="s")
    graph.initializer[0].doc_string = "a weight's doc"
    model = h.make_model(
        graph, opset_imports=opset(("", 17), ("com.example", 1), ("local", 1)), functions=[function], ir_version=8,
        producer_name="fixtures", producer_version="1", domain="com.example", model_version=2**40 + 1,
        doc_string="model doc",
    )
    h.set_model_props(model, {"b": "2", "a": "1", "empty": ""})
    training = model.training_info.add()
    training.algorithm.CopyFrom(h.make_graph([h.make_node("Sub", ["scale", "g"], ["scale_new"])], "train", [], [info("scale_new", [3])]))
    training.update_binding.add(key="scale", value="scale_new")
    return model


def newest():
    """IR 13: everything that came after IR 8, and rare kinds of attributes and types."""
    model = annotated()
    model.ir_version = 13
    graph = model.graph
    h.set_model_props(model, {"k": "v"})
    for message in (graph, graph.node[0], graph.node[1], graph.input[0], graph.value_info[0], graph.initializer[0], model.functions[0]):
        message.metadata_props.add(key="z", value="last")
        message.metadata_props.add(key="a", value="first")
    model.functions[0].overload = "v2"
    model.functions[0].attribute_proto.append(h.make_attribute("beta", 1.5))
    model.functions[0].value_info.append(info("b", [2]))
    graph.node[0].overload = "v2"
    device = model.configuration.add(name="two", num_devices=2, device=["a", "b"])
    del device
    config = graph.node[1].device_configurations.add(configuration_id="two", pipeline_stage=1)
    spec = config.sharding_spec.add(tensor_name="t", device=[0, -1])
    spec.index_to_device_group_map.add(key=-1, value=[0, 1])
    dim = spec.sharded_dim.add(axis=0)
    dim.simple_sharding.add(dim_value=4, num_shards=2)
    dim.simple_sharding.add(dim_param="n", num_shards=2)

    fancy = graph.node[2]
    tensor_type = h.make_tensor_type_proto(T.FLOAT, [2, "n"])
    types = [
        h.make_sequence_type_proto(tensor_type),
        h.make_map_type_proto(T.INT64, tensor_type),
        h.make_optional_type_proto(h.make_sequence_type_proto(tensor_type)),
        h.make_sparse_tensor_type_proto(T.DOUBLE, [3, None]),
    ]
    opaque = onnx.TypeProto()
    opaque.opaque_type.domain = "com.example"
    opaque.opaque_type.name = "Thing"
    types.append(opaque)
    fancy.attribute.append(h.make_attribute("type", tensor_type))
    fancy.attribute.append(h.make_attribute("types", types))
    sparse = graph.sparse_initializer[0]
    fancy.attribute.append(h.make_attribute("sparse", sparse))
    fancy.attribute.append(h.make_attribute("sparses", [sparse, sparse]))
    fancy.attribute.append(h.make_attribute("tensors", [weight("p", 2), weight("q", 1)]))
    tiny = h.make_graph([h.make_node("Neg", ["scale"], ["n"])], "tiny", [], [info("n", [3])])
    fancy.attribute.append(h.make_attribute("graphs", [tiny, tiny]))
    reference = onnx.AttributeProto(name="gamma", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT)
    model.functions[0].node[1].attribute.append(reference)
    for i, t in enumerate(types):
        graph.value_info.append(h.make_value_info(f"typed{i}", t))
        graph.node.append(h.make_node("Make", [], [f"typed{i}"], domain="com.example"))
    return model


def quirks():
    """Legal oddities: explicit defaults, long domain name, repeated keys, attributes without a type, packed dims."""
    node = h.make_node("LeakyRelu", ["x"], ["y"], alpha=0.25)
    node.name = ""
    node.doc_string = ""
    node.domain = "ai.onnx"
    node.attribute[0].ClearField("type")
    constant = onnx.NodeProto(op_type="Constant", output=["c"], name="c")
    value = constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    value.t.CopyFrom(h.make_tensor("", T.INT32, [2], [-1, 5]))
    zero = h.make_node("Flatten", ["y"], ["z"], axis=0)
    graph = h.make_graph([node, constant, zero], "", [info("x", [0, -1])], [info("z", None), info("z", None)])
    graph.output[1].doc_string = "again"
    graph.name = ""
    graph.initializer.append(T(dims=[0, 3], data_type=T.FLOAT, name="nothing"))
    graph.initializer.append(T(dims=[0], data_type=T.FLOAT, name="nothing_raw", raw_data=b""))
    located = weight("located", 1)
    located.data_location = T.DEFAULT
    graph.initializer.append(located)
    # proto2 writes repeated numbers one by one; a proto3 writer packs dims, and may leave float_data unpacked.
    packed = field(1, 2, b"\x02\x01") + field(2, 0, b"\x01") + field(8, 2, b"packed_dims")
    packed += field(4, 5, struct.pack("<f", 1.5)) + field(4, 5, struct.pack("<f", -2.5))
    single = field(1, 0, b"\x02") + field(2, 0, b"\x07") + field(8, 2, b"single_ints")
    single += field(7, 0, varint(5)) + field(7, 0, varint(2**64 - 3))
    model = h.make_model(graph, opset_imports=opset(("ai.onnx", 16)), ir_version=8)
    model.metadata_props.add(key="twice", value="one")
    model.metadata_props.add(key="twice", value="two")
    model.metadata_props.add(key="no value")
    model.domain = ""
    model.model_version = 0
    content = graph.SerializeToString(deterministic=True) + field(5, 2, packed) + field(5, 2, single)
    model.ClearField("graph")
    return model.SerializeToString(deterministic=True) + field(7, 2, content)


def unknown():
    model = control_flow()
    number = 500
    graph = model.graph
    then = graph.node[0].attribute[1].g
    for message in (
        graph.node[0], graph.node[2].attribute[0] if graph.node[2].attribute else graph.node[1].attribute[0],
        graph.input[0], graph.input[0].type, graph.input[0].type.tensor_type, graph.input[0].type.tensor_type.shape,
        graph.input[0].type.tensor_type.shape.dim[0], graph.value_info[0], graph.output[0], graph.initializer[0],
        then, then.node[0], model.opset_import[0], graph, model,
    ):
        add_unknown(message, number)
        number += 10
    model.metadata_props.add(key="k", value="v")
    add_unknown(model.metadata_props[0], number)
    return model


ELEMENTS = {
    T.FLOAT: [1.5, -2, 1e-40], T.DOUBLE: [1.5, -2, 1e-310], T.INT8: [-128, 0, 127], T.UINT8: [0, 128, 255],
    T.INT16: [-32768, 0, 32767], T.UINT16: [0, 32768, 65535], T.INT32: [-(2**31), 0, 2**31 - 1],
    T.UINT32: [0, 2**31, 2**32 - 1], T.INT64: [-(2**63), -1, 2**63 - 1], T.UINT64: [0, 2**63, 2**64 - 1],
    T.BOOL: [True, False, True], T.FLOAT16: [1.5, -2, 65504], T.BFLOAT16: [1.5, -2, 256], T.COMPLEX64: [1 + 2j, -1j, 3],
    T.COMPLEX128: [1 + 2j, -1j, 3], T.FLOAT8E4M3FN: [1.5, -2, 448], T.FLOAT8E4M3FNUZ: [1.5, -2, 240],
    T.FLOAT8E5M2: [1.5, -2, 57344], T.FLOAT8E5M2FNUZ: [1.5, -2, 57344], T.FLOAT8E8M0: [1, 2, 0.5],
    T.UINT4: [0, 15, 7], T.INT4: [-8, 7, -1], T.FLOAT4E2M1: [1.5, -2, 6], T.UINT2: [0, 3, 2, 1, 3], T.INT2: [-2, 1, -1, 0, 1],
}


def dtypes():
    """Each element type twice: `<code>_raw` as raw_data, `<code>_typed` in its typed field."""
    tensors = []
    for code, values in ELEMENTS.items():
        dtype = h.tensor_dtype_to_np_dtype(code)
        array = np.array(values, dtype) if dtype.kind in "iu" else np.array(values).astype(dtype)
        raw = numpy_helper.from_array(array, f"{code}_raw")
        assert raw.HasField("raw_data") and raw.data_type == code
        tensors += [raw, h.make_tensor(f"{code}_typed", code, [len(values)], array)]
    graph = h.make_graph([h.make_node("Identity", ["x"], ["y"])], "dtypes", [info("x", [1])], [info("y", [1])], tensors)
    return h.make_model(graph, opset_imports=opset(("", 25)), ir_version=13)


def external():
    """Two initializers and a constant in one data file, with a gap between them."""
    big = rng.standard_normal(64).astype(np.float32)
    ids = np.arange(5, dtype=np.int64)
    data = big.tobytes() + b"\0" * 64 + ids.tobytes()

    def outside(name, array, offset, **more):
        t = numpy_helper.from_array(array, name)
        t.ClearField("raw_data")
        t.data_location = T.EXTERNAL
        for key, value in {"location": "weights/data.bin", "offset": offset, "length": array.nbytes, **more}.items():
            t.external_data.add(key=key, value=str(value))
        return t

    constant = h.make_node("Constant", [], ["ids"], value=outside("", ids, 320))
    graph = h.make_graph(
        [h.make_node("Mul", ["x", "w"], ["m"]), constant, h.make_node("Gather", ["m", "ids"], ["y"])],
        "external", [info("x", [64])], [info("y", [5])], [outside("w", big, 0, checksum="00"), weight("inside", 2)],
    )
    save("external/model.onnx", h.make_model(graph, opset_imports=opset(("", 17)), ir_version=8))
    save("external/weights/data.bin", data)


def documented():
    """A network that runs and can be expanded and fused, where everything that can be described is."""
    function = h.make_function(
        "local", "Twice", ["a"], ["b"],
        [h.make_node("Constant", [], ["two"], value_float=2.0), h.make_node("Mul", ["a", "two"], ["b"], name="inside")],
        opset(("", 20)),
    )
    function.doc_string = "twice as much"
    norm = ["gamma", "beta", "mean", "var"]
    positive = numpy_helper.from_array(np.array([0.5, 1, 2, 4], np.float32), "var")
    graph = h.make_graph(
        [
            h.make_node("Conv", ["image", "conv.weight"], ["c"], name="conv", pads=[1, 1, 1, 1]),
            h.make_node("BatchNormalization", ["c", *norm], ["n"], name="bn"),
            h.make_node("Relu", ["n"], ["r"], name="relu"),
            h.make_node("Twice", ["r"], ["t"], name="call", domain="local"),
            h.make_node("Conv", ["t", "depthwise.weight", "depthwise.bias"], ["d"], name="depthwise", group=4),
            h.make_node("GlobalAveragePool", ["d"], ["p"]),
            h.make_node("Flatten", ["p"], ["f"], name="flatten"),
            h.make_node("Gemm", ["f", "head.weight", "head.bias"], ["scores"], name="head", transB=1),
        ],
        "documented",
        [info("image", ["batch", 3, 8, 8])],
        [info("scores", ["batch", 5])],
        [
            weight("conv.weight", 4, 3, 3, 3), weight("gamma", 4), weight("beta", 4), weight("mean", 4), positive,
            weight("depthwise.weight", 4, 1, 3, 3), weight("depthwise.bias", 4), weight("head.weight", 5, 4), weight("head.bias", 5),
        ],
        doc_string="graph doc",
        value_info=[info("n", ["batch", 4, 8, 8]), info("d", ["batch", 4, 6, 6])],
    )
    model = h.make_model(
        graph, opset_imports=opset(("", 20), ("local", 1), ("com.example", 3)), functions=[function], ir_version=10,
        producer_name="fixtures", producer_version="1", domain="com.example", model_version=7, doc_string="model doc",
    )
    h.set_model_props(model, {"b": "2", "a": "1", "empty": ""})
    described = [("graph", graph), ("function", function), *((n.name or "pool", n) for n in graph.node),
                 *((m.name, m) for group in (graph.input, graph.output, graph.value_info, graph.initializer) for m in group)]
    for name, message in described:
        message.metadata_props.add(key="note", value=f"about {name}")
        message.metadata_props.add(key=f"only {name}", value="x")
        if not message.doc_string:
            message.doc_string = f"{name} doc"
    graph.input[0].type.denotation = "IMAGE"
    annotation = graph.quantization_annotation.add()
    annotation.tensor_name = "conv.weight"
    annotation.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="s")
    # make_graph and make_model copied what they were given.
    model.graph.CopyFrom(graph)
    del model.functions[:]
    model.functions.append(function)
    add_unknown(model.graph.node[0], 700)
    add_unknown(model, 710)
    return model


save("control.onnx", control_flow())
save("shadow.onnx", shadowing())
save("annotated.onnx", annotated())
save("newest.onnx", newest())
save("quirks.onnx", quirks())
save("unknown.onnx", unknown())
save("dtypes.onnx", dtypes())
external()
save("documented.onnx", documented())
