"""Arguments of a mesh: checked, cast and brought to one batch dimension for the backends.

Shape legend: N modes, M interferometers, R fields per mesh, B meshes.
"""

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from photonic.checks import as_real_tensor, as_tensor, broadcast_shape, instance, not_negative
from photonic.layout import MeshLayout

_TAIL_NDIM = {"coupler_error": 2, "fields": 2, "arm_loss_db": 3}
"""Dimensions of an argument behind its batch dimensions, where they are not one."""


_OPTIONAL = frozenset(("coupler_error", "insertion_loss_db", "arm_loss_db", "stuck_phase"))
_LOSSES = frozenset(("insertion_loss_db", "arm_loss_db"))


def given(**settings: Tensor | ArrayLike | None) -> dict[str, Tensor]:
    """Tensors of the arguments, by name; an error or a loss that is None is left out.

    Raises:
        TypeError: if an argument does not hold real floating numbers; fields may hold any.
        ValueError: if a loss is negative.
    """
    tensors = {}
    for name, part in settings.items():
        if part is not None or name not in _OPTIONAL:
            tensors[name] = (as_tensor if name == "fields" else as_real_tensor)(name, part)
        if name in _LOSSES and part is not None:
            not_negative(name, tensors[name])
    return tensors


def batch_shapes(
    layout: MeshLayout, parts: dict[str, Tensor]
) -> tuple[dict[str, torch.Size], torch.Size]:
    """Leading dimensions of each argument, by name, and of all together.

    Raises:
        TypeError: if the layout is none, or theta is neither float32 nor float64.
        ValueError: naming the argument whose last dimensions do not fit the layout, or all batch
            dimensions if they do not broadcast.
    """
    instance("layout", layout, MeshLayout)
    if parts["theta"].dtype not in (torch.float32, torch.float64):
        raise TypeError(f"`theta` must be float32 or float64, got {parts['theta'].dtype}")
    return broadcast_shape(parts, _tails(layout, parts))


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
