"""Smaller weights in an exported graph: 8 bits for the text tower, 16 for the image tower.

onnxruntime's own dynamic quantisation gives a whole activation tensor one scale. On this text tower, whose
activations have a few very large values, that costs too much (cosine to float32 of 0.96 to 0.99 on
captions). Here the weights are stored in 8 bits with a scale for every 32 of them, and activations are
rounded, if at all, in blocks of 32 within one token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]

BLOCK = 32
MICROSOFT = "com.microsoft"


def eight_bit_weights(model: bytes, accuracy: int = 4) -> bytes:
    """``model`` with the constant factor of every matrix product, and every embedding table, in 8 bits.

    ``accuracy`` is MatMulNBits' ``accuracy_level``: 4 lets it round activations to 8 bits block by
    block and multiply integers, 1 keeps them float32.
    """
    graph_model = onnx.load_from_string(model)
    graph = graph_model.graph
    tables = {item.name: item for item in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in tables:
            nodes.append(_quantised_product(graph, node, tables[node.input[1]], accuracy))
        elif node.op_type == "Gather" and _is_matrix(tables.get(node.input[0])):
            nodes += _quantised_lookup(graph, node, tables[node.input[0]])
        else:
            nodes.append(node)
    _replace_nodes(graph, nodes)
    graph_model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    onnx.checker.check_model(graph_model)
    return bytes(graph_model.SerializeToString())


def half_weights(model: bytes, least: int = 1024) -> bytes:
    """``model`` with every float32 constant of ``least`` numbers or more stored as float16.

    A cast beside each makes it float32 again; onnxruntime folds that while loading, so that the network
    runs exactly as fast as before.
    """
    graph_model = onnx.load_from_string(model)
    graph = graph_model.graph
    casts: list[onnx.NodeProto] = []
    for item in graph.initializer:
        if item.data_type == TensorProto.FLOAT and np.prod(item.dims) >= least:
            name, values = item.name, numpy_helper.to_array(item)
            item.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    _replace_nodes(graph, casts + list(graph.node))
    onnx.checker.check_model(graph_model)
    return bytes(graph_model.SerializeToString())


def _quantised_product(
    graph: onnx.GraphProto, node: onnx.NodeProto, item: onnx.TensorProto, accuracy: int
) -> onnx.NodeProto:
    """A product with a (inner, outer) matrix, stored as MatMulNBits wants it: (outer, blocks, BLOCK)."""
    weights: Floats = numpy_helper.to_array(item)
    inner, outer = weights.shape
    codes, scales = _codes(weights.T.reshape(outer, inner // BLOCK, BLOCK))
    names = [f"{item.name}_codes", f"{item.name}_scales"]
    stored: list[NDArray[Any]] = [
        (codes.astype(np.int16) + 128).astype(np.uint8),
        scales.reshape(outer, inner // BLOCK),
    ]
    _swap_constants(graph, item, names, stored)
    return helper.make_node(
        "MatMulNBits", [node.input[0], *names], list(node.output), name=node.name, domain=MICROSOFT,
        K=inner, N=outer, bits=8, block_size=BLOCK, accuracy_level=accuracy,
    )  # fmt: skip


def _quantised_lookup(
    graph: onnx.GraphProto, node: onnx.NodeProto, item: onnx.TensorProto
) -> list[onnx.NodeProto]:
    """A look-up in a table of rows, each stored as 8-bit codes and one scale."""
    codes, scales = _codes(numpy_helper.to_array(item))
    names = [f"{item.name}_codes", f"{item.name}_scales"]
    stored: list[NDArray[Any]] = [codes, scales]
    _swap_constants(graph, item, names, stored)
    out = node.output[0]
    return [
        helper.make_node("Gather", [names[0], node.input[1]], [f"{out}_codes"]),
        helper.make_node("Cast", [f"{out}_codes"], [f"{out}_floats"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [names[1], node.input[1]], [f"{out}_scales"]),
        helper.make_node("Mul", [f"{out}_floats", f"{out}_scales"], [out]),
    ]


def _codes(values: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Codes in -127..127 and a scale for each run along the last axis; their product is near ``values``."""
    scales = np.maximum(np.abs(values).max(axis=-1, keepdims=True), 1e-12) / 127
    return np.round(values / scales).astype(np.int8), scales.astype(np.float32)


def _is_matrix(item: onnx.TensorProto | None) -> bool:
    return item is not None and item.data_type == TensorProto.FLOAT and len(item.dims) == 2


def _swap_constants(
    graph: onnx.GraphProto, old: onnx.TensorProto, names: list[str], values: Sequence[NDArray[Any]]
) -> None:
    graph.initializer.remove(old)
    graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in zip(names, values, strict=True))


def _replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
