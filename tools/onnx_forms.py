"""Write the ONNX forms of built-in models, which translate and segment without torch.

    python tools/onnx_forms.py                   # of all models in the package
    python tools/onnx_forms.py landscape         # of one

`tools/package_model.py` does it for every model that it packs. A form is what ``gantool export`` writes, compared
with the network as every export is, with every weight stored in as few bits as hold it: 16 where a half-precision
number is exact, 8 with a scale per channel where `in_8_bits` made it. ONNX Runtime works the numbers out when it
opens the file.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import gantool
from gantool.files import atomic
from gantool.models.find import bundled_models

SOURCE = "gantool-weights"
"""Under which key a form has the SHA-256 of the model file that it was made of."""

_SMALL = 64  # numbers that are not worth it
_LARGE = 4096  # what `in_8_bits` takes for worth it
_EXACT = 1e-3  # of a step of 8 bits: what rounding in float32 makes of a scale that a norm was folded into
_ERROR = 1e-5  # of the largest value that a form gives


def write_onnx_forms(model: Path) -> list[Path]:
    """Write the forms of a model file beside it; those of before go.

    Raises:
        GantoolError: the exported file differs from the network.
        SystemExit: the form differs from the exported file.
    """
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    written = []
    with tempfile.TemporaryDirectory() as folder:
        for one in gantool.export(str(model), output=f"{folder}/"):
            small = stored_small(onnx.load(one.path))
            small.metadata_props.add(key=SOURCE, value=digest)
            content = small.SerializeToString()
            _require_same(one.path, content)
            target = model.with_name(one.path.name)
            with atomic(target) as temporary:
                temporary.write_bytes(content)
            written.append(target)
    for stale in {model.with_suffix(".onnx"), *model.parent.glob(f"{model.stem}-to-*.onnx")} - set(written):
        stale.unlink(missing_ok=True)
    return written


def stored_small(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with its weights in fewer bits, and nodes that make float32 of them."""
    graph = model.graph
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []
    for tensor in graph.initializer:
        made, stored = _stored(tensor)
        nodes += made
        tensors += stored
    nodes += graph.node
    for field, values in ((graph.node, nodes), (graph.initializer, tensors)):
        del field[:]
        field.extend(values)
    del graph.value_info[:]  # shapes of layers, which the runtime finds itself
    for part in (graph, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]  # what the exporter remembers of its work, with names that change every time
    return model


def _stored(tensor: onnx.TensorProto) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """How a tensor is stored, and the nodes that make it of that.

    Not DequantizeLinear: the runtime keeps such nodes for its kernels in 8 bits, and runs them again for every image.
    """
    values, name = numpy_helper.to_array(tensor), tensor.name
    if values.dtype != np.float32 or values.size < _SMALL:
        return [], [tensor]
    half = values.astype(np.float16)
    if np.array_equal(half.astype(np.float32), values):
        node = helper.make_node("Cast", [f"{name}/half"], [name], to=TensorProto.FLOAT)
        return [node], [numpy_helper.from_array(half, f"{name}/half")]
    packed = _in_8_bits(values) if values.ndim > 1 and values.size >= _LARGE else None
    if packed is None:
        return [], [tensor]
    whole, scale = packed
    return [
        helper.make_node("Cast", [f"{name}/8-bit"], [f"{name}/whole"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}/whole", f"{name}/scale"], [name]),
    ], [numpy_helper.from_array(whole, f"{name}/8-bit"), numpy_helper.from_array(scale, f"{name}/scale")]


def _in_8_bits(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]] | None:
    """``(out, ...)`` as int8 and a scale per channel, if that is what it was made of; else None.

    The largest value of a channel is 127 steps then, also after the exporter has folded a norm into the weights.
    """
    largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
    scale = (np.maximum(largest, 1e-30) / 127).astype(np.float32)
    steps = values / scale
    whole = np.rint(steps)
    return (whole.astype(np.int8), scale) if np.abs(steps - whole).max() <= _EXACT else None


def _require_same(exported: Path, content: bytes) -> None:
    """Compare a form with the exported file that it was made of, on noise."""
    sessions = [onnxruntime.InferenceSession(one) for one in (str(exported), content)]
    shape = (2, int(sessions[0].get_inputs()[0].shape[1]), 64, 96)
    image = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    first, second = (session.run(None, {"image": image})[0] for session in sessions)
    error = float(np.abs(first - second).max() / np.abs(first).max())
    if error > _ERROR:
        raise SystemExit(f"{exported.name}: stored small it gives other values (by {error:.1e} of the largest)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a built-in model; default all of them")
    models = bundled_models()
    for name in parser.parse_args().names or models:
        for path in write_onnx_forms(models[name]):
            print(f"{path}: {path.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
