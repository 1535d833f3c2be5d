"""Checkpoint directories: ``config.json`` and ``weights.safetensors``, nothing executable.

``training_set.json`` says what the weights were trained on, where it is known; it belongs to the
weights by their hash, and nothing is computed from it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from safetensors.torch import save

from models.files import read_regular, remove_leftovers, write_atomic
from models.graph import GraphSettings
from models.labels import Label
from models.linear import LinearFactory, digital_linear
from models.model import CrystalModel
from models.network import NetworkConfig, SPFrameNetwork
from models.tensor_file import read_tensors
from models.training_set import (
    MAX_TRAINING_SET_BYTES,
    TRAINING_SET_FILE,
    TrainingSet,
    TrainingSetError,
)

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
MAX_BYTES = {
    CONFIG_FILE: 16_000_000,
    WEIGHTS_FILE: 1_000_000_000,
    TRAINING_SET_FILE: MAX_TRAINING_SET_BYTES,
}
FORMAT = "lightframe-checkpoint"
FORMAT_VERSION = 1


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged or of another kind; the message says which."""


class CheckpointConfig(BaseModel):
    """Contents of ``config.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    format_version: int
    network: NetworkConfig
    graph: GraphSettings
    labels: tuple[Label, ...] = Field(min_length=1)
    element_properties: tuple[str, ...]
    weights_sha256: str
    info: dict[str, Any]

    @field_validator("labels")
    @classmethod
    def _names_differ(cls, labels: tuple[Label, ...]) -> tuple[Label, ...]:
        if len({label.name for label in labels}) < len(labels):
            raise ValueError("two labels have the same name")
        return labels


def checkpoint_names() -> tuple[str, ...]:
    """Names of the checkpoints that are shipped inside the package."""
    root = resources.files("models.checkpoints")
    return tuple(
        sorted(e.name for e in root.iterdir() if e.is_dir() and (e / CONFIG_FILE).is_file())
    )


def save_checkpoint(
    model: CrystalModel, element_properties: tuple[str, ...], directory: Path
) -> None:
    """Write a model into an existing directory.

    Args:
        model: to be written; its ``info`` goes along and must be JSON-able.
        element_properties: names of the columns of the network's element features.
        directory: target; a checkpoint in it is replaced.

    Raises:
        FileExistsError: if a file of the checkpoint is a link.
        OSError: if a file cannot be written.
    """
    state = {name: tensor.contiguous() for name, tensor in model.network.state_dict().items()}
    weights = save(state)
    config = CheckpointConfig(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        network=model.network.config,
        graph=model.graph_settings,
        labels=model.labels,
        element_properties=element_properties,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        info=dict(model.info),
    )
    text = json.dumps(config.model_dump(mode="json"), indent=1)
    files = {WEIGHTS_FILE: weights, CONFIG_FILE: f"{text}\n".encode()}
    if model.training_set is None:
        (directory / TRAINING_SET_FILE).unlink(missing_ok=True)  # it was that of other weights
    else:
        files[TRAINING_SET_FILE] = model.training_set.to_bytes(config.weights_sha256)
    for name, data in files.items():
        remove_leftovers(directory / name)
        write_atomic(directory / name, data)


def load_checkpoint(
    name_or_dir: str | Path,
    *,
    dtype: torch.dtype = torch.float32,
    linear: LinearFactory = digital_linear,
) -> CrystalModel:
    """A model by the name of a shipped checkpoint or from a checkpoint directory.

    Args:
        name_or_dir: ``"refractive_index"`` or a directory.
        dtype: real dtype to compute in.
        linear: factory of the dense layers.

    Raises:
        TypeError: if an argument is not of its kind.
        CheckpointError: if it does not exist, is damaged, or holds numbers that are not finite.
    """
    if not isinstance(name_or_dir, str | Path):
        raise TypeError(f"`name_or_dir` must be a name or a path, got {name_or_dir!r}")
    if dtype not in (torch.float32, torch.float64):
        raise TypeError(f"`dtype` must be float32 or float64, got {dtype!r}")
    config_bytes, weights = _read(name_or_dir)
    try:
        config = CheckpointConfig.model_validate_json(config_bytes)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "file"
        raise CheckpointError(
            f"checkpoint {name_or_dir}: {CONFIG_FILE} is not valid ({place}: {first['msg']})"
        ) from None
    if (config.format, config.format_version) != (FORMAT, FORMAT_VERSION):
        raise CheckpointError(
            f"checkpoint {name_or_dir}: format {config.format} {config.format_version} is not "
            f"{FORMAT} {FORMAT_VERSION}"
        )
    if hashlib.sha256(weights).hexdigest() != config.weights_sha256:
        raise CheckpointError(
            f"checkpoint {name_or_dir}: {WEIGHTS_FILE} is truncated or does not belong to its "
            f"{CONFIG_FILE} (sha256 differs)"
        )
    model = _build(name_or_dir, config, weights, dtype, linear)
    return dataclasses.replace(model, training_set=_training_set(name_or_dir, config))


def _training_set(name_or_dir: str | Path, config: CheckpointConfig) -> TrainingSet | None:
    data = training_set_bytes(name_or_dir)
    if data is None:
        return None
    try:
        found = TrainingSet.from_bytes(data, config.weights_sha256)
        found.check_labels(config.labels)
    except TrainingSetError as error:
        raise CheckpointError(f"checkpoint {name_or_dir}: {TRAINING_SET_FILE} {error}") from None
    return found


def _directory(name_or_dir: str | Path) -> Any:
    """The directory of a checkpoint, inside the package or not."""
    directory = Path(name_or_dir)
    if not directory.is_dir():
        if str(name_or_dir) not in checkpoint_names():
            raise CheckpointError(
                f"no checkpoint directory {name_or_dir} and no shipped checkpoint of that name; "
                f"shipped: {', '.join(checkpoint_names()) or 'none'}"
            )
        return resources.files("models.checkpoints") / str(name_or_dir)
    return directory


def _read(name_or_dir: str | Path) -> tuple[bytes, bytes]:
    directory = _directory(name_or_dir)
    contents = []
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        try:
            contents.append(read_regular(str(directory / name), MAX_BYTES[name]))
        except FileNotFoundError:
            raise CheckpointError(f"checkpoint {name_or_dir}: {name} is missing") from None
        except OSError as error:
            raise CheckpointError(f"checkpoint {name_or_dir}: {name}: {error.strerror}") from None
    return contents[0], contents[1]


def _build(
    name: str | Path,
    config: CheckpointConfig,
    weights: bytes,
    dtype: torch.dtype,
    linear: LinearFactory,
) -> CrystalModel:
    try:
        state = read_tensors(weights)
        elements = _element_features(config, state)
        network = SPFrameNetwork(config.network, elements, len(config.labels), linear)
        network.to(torch.float64)  # holds weights of either precision without rounding
        _require_types(network, state)
        network.load_state_dict(state)
    except (ValueError, KeyError, RuntimeError, IndexError) as error:
        line = str(error).splitlines()[0]
        raise CheckpointError(f"checkpoint {name}: weights do not fit ({line})") from None
    for precision in (torch.float64, dtype):
        # What is finite in double precision may be too large for single.
        for key, tensor in network.to(precision).state_dict().items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise CheckpointError(
                    f"checkpoint {name}: `{key}` holds numbers that are not finite"
                    + ("" if precision == torch.float64 else f" in {precision}")
                )
    network.eval().requires_grad_(False)
    return CrystalModel(network, config.graph, config.labels, config.info)


def _element_features(config: CheckpointConfig, state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """(Z, F) table of elements, if the rest of the file can be the network that is described.

    Raises:
        ValueError: if it is no table, or the network has more numbers than the file; found out
            before any of its size is built.
        KeyError: if it is missing.
    """
    elements = state["element_features"]
    if elements.ndim != 2 or not elements.is_floating_point():
        raise ValueError(f"`element_features` must have shape (Z, F), got {tuple(elements.shape)}")
    with torch.device("meta"):
        described = SPFrameNetwork(config.network, elements, len(config.labels))
    needed = sum(tensor.numel() for tensor in described.parameters())
    held = sum(tensor.numel() for tensor in state.values())
    if needed > held:
        raise ValueError(f"the network of {CONFIG_FILE} has {needed:,} numbers, the file {held:,}")
    return elements


def _require_types(network: SPFrameNetwork, state: Mapping[str, torch.Tensor]) -> None:
    """Refuse complex or whole numbers in place of real ones, which would be cast."""
    for key, own in network.state_dict().items():
        found = state.get(key, own)
        if found.is_floating_point() != own.is_floating_point() or found.is_complex():
            raise ValueError(f"`{key}` must be of type {own.dtype}, got {found.dtype}")


def checkpoint_bytes(name_or_dir: str | Path) -> dict[str, bytes]:
    """Files of a checkpoint that make it what it is, by file name, as they are.

    Raises:
        CheckpointError: if it does not exist or a file is missing.
    """
    return dict(zip((CONFIG_FILE, WEIGHTS_FILE), _read(name_or_dir), strict=True))


def training_set_bytes(name_or_dir: str | Path) -> bytes | None:
    """The record of the training set of a checkpoint, as it is; None if there is none.

    Raises:
        CheckpointError: if the checkpoint does not exist or the record cannot be read.
    """
    try:
        return read_regular(
            str(_directory(name_or_dir) / TRAINING_SET_FILE), MAX_BYTES[TRAINING_SET_FILE]
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {name_or_dir}: {TRAINING_SET_FILE}: {error.strerror}"
        ) from None
