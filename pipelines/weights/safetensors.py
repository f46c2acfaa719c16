"""Safetensors files by the standard library and numpy: check a header, read and write tensors.

A file is ``<header bytes: uint64, little-endian><JSON header><tensors>``; the header gives each
tensor's dtype, shape and place. The official library maps the file and, met with a truncated one,
raises errors that name no file; and numpy has no bfloat16 for it to write.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.weights.error import WeightsError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U32": 4, "U8": 1}
_NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
    "U32": "<u4", "U8": "u1",
}  # fmt: skip
_FLOATS = ("F64", "F32", "F16", "BF16")
_MOST_HEADER_BYTES = 100_000_000  # the library's own limit
_LENGTH = struct.Struct("<Q")
_MEND = "restore it, or fetch or make it again"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry of a header."""

    dtype: str
    """``F32``, ``BF16``, ``U32``, …"""
    shape: tuple[int, ...]
    """Shape as written: the outermost dimension first."""

    @property
    def nbytes(self) -> int:
        """Its byte range in the file."""
        return prod(self.shape) * ITEM_BYTES[self.dtype]


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, checked to be complete; no tensor is read.

    Raises:
        WeightsError: the file is missing, not safetensors, or truncated.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(_LENGTH.size)
            length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
            if not 2 <= length <= min(_MOST_HEADER_BYTES, size):
                raise WeightsError(f"{path} is not a safetensors file, or truncated: {_MEND}")
            table: dict[str, Any] = json.loads(file.read(length))
        return _checked(table, size - _LENGTH.size - length, path)
    except OSError as error:
        raise WeightsError(f"{path} can't be read ({error.strerror}): {_MEND}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is not a safetensors file ({error}): {_MEND}") from error


def _checked(table: dict[str, Any], held_bytes: int, path: Path) -> dict[str, Tensor]:
    tensors, places = {}, []
    for name, entry in table.items():
        if name == "__metadata__":
            continue
        tensor = Tensor(str(entry["dtype"]), tuple(int(n) for n in entry["shape"]))
        begin, end = entry["data_offsets"]
        if tensor.dtype in ITEM_BYTES and end - begin != tensor.nbytes:
            raise WeightsError(f"{path}: the tensor {name} is damaged: {_MEND}")
        tensors[name] = tensor
        places.append((begin, end, name))
    needed_bytes = 0
    for begin, end, name in sorted(places):
        if begin < needed_bytes:  # no two share a byte
            raise WeightsError(f"{path}: the tensor {name} is damaged: {_MEND}")
        needed_bytes = end
    if held_bytes < needed_bytes:
        raise WeightsError(
            f"{path} is truncated: {needed_bytes - held_bytes} of its {needed_bytes} bytes of "
            f"tensors are missing: {_MEND}"
        )
    return tensors


class Reader:
    """The tensors of a file as float32, read one by one when they are asked for."""

    def __init__(self, path: Path) -> None:
        """Checks the file's header and size.

        Raises:
            WeightsError: the file is missing, not safetensors, or truncated.
        """
        self.path = path
        self.header = read_header(path)
        with path.open("rb") as file:
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            table: dict[str, Any] = json.loads(file.read(length))
        begin = _LENGTH.size + length
        self._at = {n: begin + t["data_offsets"][0] for n, t in table.items() if n in self.header}

    def __contains__(self, name: str) -> bool:
        return name in self.header

    def __call__(self, name: str, *shape: int) -> npt.NDArray[np.float32]:
        """One floating-point tensor, which must have that shape and hold numbers.

        Raises:
            WeightsError: there is none of that name or shape, or it can't be read.
        """
        import numpy as np

        kept = self.raw(name)
        if kept.shape != shape:
            has, wants = ("x".join(map(str, s)) for s in (kept.shape, shape))
            raise WeightsError(
                f"{self.path}: the tensor {name} is {has}, and the model's other tensors ask for "
                f"{wants}: these are another model's weights or a damaged file: fetch or make them "
                "again"
            )
        if self.header[name].dtype not in _FLOATS:
            raise self._of_type(name)
        if self.header[name].dtype == "BF16":
            kept = (kept.astype(np.uint32) << 16).view(np.float32)
        values = np.asarray(kept, np.float32)
        if not np.isfinite(values).all():
            raise WeightsError(
                f"{self.path}: the tensor {name} holds what is no number (NaN or infinity): {_MEND}"
            )
        return values

    def raw(self, name: str) -> npt.NDArray[Any]:
        """One tensor as it lies in the file; bfloat16 as uint16.

        Raises:
            WeightsError: as `__call__`.
        """
        if name not in self.header:
            raise WeightsError(
                f"{self.path} has no tensor {name}: these are another model's weights or a damaged "
                "file: fetch or make them again"
            )
        entry = self.header[name]
        if entry.dtype not in _NUMPY:
            raise self._of_type(name)
        import numpy as np

        try:
            values = np.fromfile(
                self.path, _NUMPY[entry.dtype], prod(entry.shape), offset=self._at[name]
            )
            return values.reshape(entry.shape)
        except (OSError, ValueError) as error:
            raise WeightsError(f"{self.path}: the tensor {name} can't be read: {_MEND}") from error

    def _of_type(self, name: str) -> WeightsError:
        return WeightsError(
            f"{self.path}: the tensor {name} is of type {self.header[name].dtype}, which is not "
            "read here: take the weights in BF16 or F32"
        )


def to_bf16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Rounds to bfloat16, which numpy has no type for: the upper half of a float32."""
    import numpy as np

    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def write(
    path: Path,
    layout: dict[str, Tensor],
    tensors: Iterable[tuple[str, npt.NDArray[Any]]],
    metadata: dict[str, str] | None = None,
) -> None:
    """Writes a file tensor by tensor, so that one of any size needs the memory of one tensor.

    Args:
        path: Path of the file, which appears when it is whole.
        layout: Name → dtype and shape, in the order of the file.
        tensors: (name, data) in that order; a ``BF16`` tensor comes as uint16 (`to_bf16`).
        metadata: Text of the header.
    """
    import numpy as np

    header: dict[str, Any] = {"__metadata__": metadata or {}}
    at = 0
    for name, tensor in layout.items():
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(_LENGTH.pack(len(text)) + text)
        for (wanted, tensor), (name, data) in zip(layout.items(), tensors, strict=True):
            assert wanted == name and data.nbytes == tensor.nbytes, (wanted, name, data.shape)
            file.write(np.ascontiguousarray(data).data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
