"""Programs as one NumPy archive of plain arrays, without pickle.

Arrays ``<layer>/u.theta``, ``<layer>/u.phi``, ``<layer>/u.output_phase``, the same of v,
``<layer>/attenuation`` and ``<layer>/scale``, float64, shapes as in ``Program``; ``layers`` holds
the bytes (uint8) of a JSON list with name, sizes and wirings of each layer.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from photonic.files import read_regular
from photonic.program import Program, check_names

_LAYERS = "layers"
_DTYPES = (np.dtype("<f8"), np.dtype("u1"))
_MAX_BYTES = 1_000_000_000
_LONGEST_HEADER = 1024
"""Bytes; a header of two or three dimensions takes 128."""


def npz_bytes(programs: Sequence[Program]) -> bytes:
    """Archive of programs, read back by ``read_npz`` or array by array by ``numpy.load``.

    Args:
        programs: one per layer, with different names.

    Raises:
        ValueError: if names repeat.
    """
    check_names(programs)
    metadata = json.dumps([program.metadata() for program in programs]).encode()
    arrays = {_LAYERS: np.frombuffer(metadata, dtype=np.uint8)}
    for program in programs:
        for name, tensor in program.to_tensors().items():
            arrays[f"{program.name}/{name}"] = tensor.numpy() + 0.0  # -0.0 becomes 0.0
    data = io.BytesIO()
    np.savez(data, allow_pickle=False, **arrays)
    return data.getvalue()


def read_npz(path: str | Path) -> dict[str, Program]:
    """Programs of an archive that ``npz_bytes`` made, by name, bit by bit but for the sign of 0.

    No array is larger than the file: compressed archives, objects and headers that claim more than
    is there are refused before memory is taken.

    Raises:
        OSError: if there is no such file.
        ValueError: naming the file and what is wrong with it.
    """
    path = Path(path)
    try:
        arrays = _read_arrays(path)
        layers = _read_layers(arrays.pop(_LAYERS, None))
        tensors: dict[str, dict[str, torch.Tensor]] = {layer["name"]: {} for layer in layers}
        if len(tensors) < len(layers):
            raise ValueError("two layers have the same name")
        for key, array in arrays.items():
            layer, _, name = key.rpartition("/")
            if layer not in tensors:
                raise ValueError(f"array {key!r} belongs to no layer")
            tensors[layer][name] = torch.from_numpy(array)
        return {
            layer["name"]: Program.from_tensors(tensors[layer["name"]], layer) for layer in layers
        }
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from None


def _read_layers(array: NDArray[Any] | None) -> list[dict[str, Any]]:
    if array is None or array.dtype != np.uint8 or array.ndim != 1:
        raise ValueError(f"the array {_LAYERS!r} is missing or is not text")
    layers = json.loads(array.tobytes().decode())
    is_list = isinstance(layers, list) and all(isinstance(layer, dict) for layer in layers)
    if not is_list or not all(isinstance(layer.get("name"), str) for layer in layers):
        raise ValueError(f"{_LAYERS!r} is not a list of layers with names")
    return layers


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        data = read_regular(path, _MAX_BYTES)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {
                entry.filename.removesuffix(".npy"): _read_array(archive, entry, len(data))
                for entry in archive.infolist()
            }
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"not a whole archive ({error})") from None


def _read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, num_bytes: int) -> NDArray[Any]:
    name = entry.filename
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > num_bytes:
        raise ValueError(f"{name!r} is compressed")
    data = io.BytesIO(archive.read(entry))
    version = np.lib.format.read_magic(data)
    if version != (1, 0):
        raise ValueError(f"{name!r} is of version {version}, which no plain array needs")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(data, _LONGEST_HEADER)
    if dtype not in _DTYPES or is_fortran:
        raise ValueError(f"{name!r} must be float64 in C order, got {dtype}")
    content = data.read()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"{name!r} claims the shape {shape}, but has {len(content)} bytes")
    return np.frombuffer(bytearray(content), dtype).reshape(shape)
