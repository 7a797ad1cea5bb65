"""Look into the pickles of a TorchScript archive: what they name, and whether their tensors lie in their records.

torch itself believes a pickle about the size of a record, and reads whatever lies behind it in memory.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

__all__ = ["check_names", "check_tensors"]

_GLOBALS = re.compile(
    r"torch\._utils _rebuild_(tensor_v2|parameter)|collections OrderedDict|torch \w+Storage"
    r"|torch\.jit\._pickle (build_\w+list|restore_type_tag)",
    re.ASCII,
)
_OWN_CLASSES = re.compile(r"(?!__torch__\.torch\.classes)__torch__(\.\w+)* \w+", re.ASCII)
_UNSEEN = {"STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "NEWOBJ_EX", "PERSID"}

_BYTES = {
    "BoolStorage": 1, "ByteStorage": 1, "CharStorage": 1, "ShortStorage": 2, "HalfStorage": 2, "BFloat16Storage": 2,
    "IntStorage": 4, "FloatStorage": 4, "LongStorage": 8, "DoubleStorage": 8,
}  # of an element  # fmt: skip


def check_names(content: bytes, *, own_classes: bool) -> None:
    """Tensors in tuples, lists and dicts, and nothing else.

    Args:
        own_classes: whether there may be objects as well, of classes whose source is in the archive.

    Raises:
        ValueError: something else, or no pickle.
    """
    for operation, argument, _ in pickletools.genops(content):
        if operation.name in _UNSEEN:
            raise ValueError(f"a pickle with {operation.name}")
        name = str(argument)
        known = _GLOBALS.fullmatch(name) or (own_classes and _OWN_CLASSES.fullmatch(name))
        if operation.name == "GLOBAL" and not known:
            raise ValueError(f"a pickle with {name.replace(' ', '.')[:80]}")


def check_tensors(content: bytes, records: Mapping[str, int]) -> None:
    """Every tensor lies in its record. For pickles that passed `check_names`.

    Args:
        records: bytes of each record, by the name that the pickle calls it.

    Raises:
        ValueError: one does not, or the pickle is damaged.
    """
    try:
        _Reader(content, records).load()
    except ValueError:
        raise
    except Exception as error:  # pickle raises nearly everything for a damaged stream
        raise ValueError(f"a damaged pickle, {type(error).__name__}") from None


class _Inert:
    """Stands for an object of the archive's own classes; nothing comes of what it is made of."""

    def __new__(cls, *values: object) -> _Inert:
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


class _Reader(pickle.Unpickler):
    """Makes plain data and nothing else, and looks at the tensors on the way."""

    def __init__(self, content: bytes, records: Mapping[str, int]) -> None:
        super().__init__(io.BytesIO(content))
        self._records = records

    def find_class(self, module: str, name: str) -> Any:
        if name == "_rebuild_tensor_v2":
            return _require_bounds
        if module == "torch":
            return name
        if module == "collections":
            return OrderedDict
        return _Inert if module.startswith("__torch__") else _first

    def persistent_load(self, place: Any) -> int:
        """The number of elements of a record."""
        _, kind, key, _, count = place
        if kind not in _BYTES or key not in self._records or not 0 <= count * _BYTES[kind] <= self._records[key]:
            raise ValueError(f"a tensor larger than its record {str(key)[:20]}")
        return int(count)


def _first(value: object, *others: object) -> object:
    return value


def _require_bounds(count: int, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *others: object) -> None:
    if min((offset, *size, *stride)) < 0:  # the sizes of a scalar are empty
        raise ValueError("a tensor in front of its record")
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    if last >= count and 0 not in size:
        raise ValueError("a tensor that ends behind its record")
