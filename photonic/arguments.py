"""Arguments of a mesh: checked, cast and brought to one batch dimension for the backends.

Shape legend: N modes, M interferometers, R fields per mesh, B meshes.
"""

import numpy as np
import torch
from torch import Tensor

from photonic.layout import MeshLayout

_TAIL_NDIM = {"coupler_error": 2, "fields": 2, "arm_loss_db": 3}
"""Dimensions of an argument behind its batch dimensions, where they are not one."""


def given(**settings: Tensor | None) -> dict[str, Tensor]:
    """The arguments that are not None, by name."""
    return {name: part for name, part in settings.items() if part is not None}


def batch_shapes(
    layout: MeshLayout, parts: dict[str, Tensor]
) -> tuple[dict[str, torch.Size], torch.Size]:
    """Leading dimensions of each argument, by name, and of all together.

    Raises:
        TypeError: if theta is neither float32 nor float64.
        ValueError: naming the argument whose last dimensions do not fit the layout, or all batch
            dimensions if they do not broadcast.
    """
    if parts["theta"].dtype not in (torch.float32, torch.float64):
        raise TypeError(f"`theta` must be float32 or float64, got {parts['theta'].dtype}")
    tails = _tails(layout, parts)
    batches = {}
    for name, part in parts.items():
        shape, ndim = part.shape, len(tails[name])
        if len(shape) < ndim or tuple(shape[len(shape) - ndim :]) != tails[name]:
            expected = ", ".join(map(str, tails[name]))
            raise ValueError(f"`{name}` must have shape (..., {expected}), got {tuple(shape)}")
        batches[name] = shape[: len(shape) - ndim]
    first = batches["theta"]
    if all(batch == first for batch in batches.values()):
        return batches, first
    try:
        joint = torch.Size(np.broadcast_shapes(*batches.values()))
    except ValueError as error:
        shapes = {name: tuple(batch) for name, batch in batches.items()}
        raise ValueError(f"batch dimensions do not broadcast: {shapes}") from error
    return batches, joint


def _tails(layout: MeshLayout, parts: dict[str, Tensor]) -> dict[str, tuple[int | str, ...]]:
    """Last dimensions that each argument must have."""
    m, n = layout.num_mzis, layout.num_modes
    fields = parts.get("fields")
    num_fields = fields.shape[-2] if fields is not None and fields.ndim > 1 else "R"
    return {
        "theta": (m,),
        "phi": (m,),
        "output_phase": (n,),
        "coupler_error": (m, 2),
        "insertion_loss_db": (m,),
        "arm_loss_db": (m, 3, 2),
        "stuck_phase": (2 * m + n,),
        "fields": (num_fields, n),
    }


def flattened(parts: dict[str, Tensor], batch_shape: torch.Size) -> dict[str, Tensor]:
    """Arguments of one batch dimension B, in the dtype and on the device of theta.

    Fields become columns, (B, N, R); settings of stuck shifters take their place.
    """
    theta, flat = parts["theta"], {}
    for name, part in parts.items():
        tail = part.shape[part.ndim - _TAIL_NDIM.get(name, 1) :]
        dtype = theta.dtype.to_complex() if name == "fields" else theta.dtype
        if part.dtype != dtype or part.device != theta.device:
            part = part.to(theta.device, dtype)
        if len(batch_shape) != 1 or part.shape != (*batch_shape, *tail):
            part = part.expand(*batch_shape, *tail).reshape(batch_shape.numel(), *tail)
        flat[name] = part
    if "fields" in flat:
        flat["fields"] = flat["fields"].transpose(-1, -2)
    if "stuck_phase" in flat:
        _replace_stuck(flat, flat.pop("stuck_phase"))
    return flat


def _replace_stuck(flat: dict[str, Tensor], stuck_phase: Tensor) -> None:
    """Put the phases of stuck shifters in place of the settings, which lose their gradient."""
    names = ("theta", "phi", "output_phase")
    sections = [flat[name].shape[-1] for name in names]
    for name, stuck in zip(names, stuck_phase.split(sections, dim=-1), strict=True):
        flat[name] = torch.where(stuck.isnan(), flat[name], stuck)
