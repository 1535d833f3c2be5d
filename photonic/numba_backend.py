"""Light through a mesh by the compiled kernels, differentiable; CPU tensors.

First derivatives are analytic: ``kernels.backward`` runs the columns backwards. What is kept for
them are the arguments and the output, whatever the depth of the mesh. Higher derivatives go through
``torch_backend``. Refused, by name: forward mode, and the batched gradients of ``torch.autograd``
(``is_grads_batched``). The other transforms of ``torch.func`` work, nested too: a mapped dimension
is one more batch dimension. The output is kept for the gradient; changed in place, it cannot be.

Shape legend: N modes, M interferometers, R fields per mesh, B meshes.
"""

import inspect
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from photonic.launch import launch_backward, launch_forward
from photonic.layout import MeshLayout
from photonic.torch_backend import propagate as propagate_by_torch

_Tensors = tuple[Tensor | None, ...]


def propagate(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    fields: Tensor | None = None,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
) -> Tensor:
    """Fields behind a batch of meshes; arguments and result as ``torch_backend.propagate``."""
    if insertion_loss_db is not None:
        behind = insertion_loss_db[..., None, None].expand(*insertion_loss_db.shape, 1, 2)
        lumped = torch.nn.functional.pad(behind, (0, 0, 2, 0))
        arm_loss_db = lumped if arm_loss_db is None else arm_loss_db + lumped
    return _Mesh.apply(layout, theta, phi, output_phase, fields, coupler_error, arm_loss_db)


class _Mesh(Function):
    """Output fields (B, N, R) of theta, phi, output_phase, fields, coupler_error, arm_loss_db."""

    @staticmethod
    def forward(layout: MeshLayout, *tensors: Tensor | None) -> Tensor:
        return launch_forward(layout, *tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.layout = inputs[0]
        ctx.save_for_backward(output, *inputs[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> _Tensors:
        output, *tensors = ctx.saved_tensors
        wanted = tuple(ctx.needs_input_grad[1:])
        gradients = _MeshGradient.apply(ctx.layout, wanted, output, gradient, *tensors)
        return (
            None,
            *(g if is_wanted else None for g, is_wanted in zip(gradients, wanted, strict=True)),
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], layout: MeshLayout, *tensors: Any) -> Any:
        output = _Mesh.apply(layout, *_joined(info.batch_size, in_dims[1:], tensors))
        return output.unflatten(0, (info.batch_size, -1)), 0


class _MeshGradient(Function):
    """Gradients of the six tensors of ``_Mesh``, zeros where none is wanted."""

    @staticmethod
    def forward(
        layout: MeshLayout,
        wanted: tuple[bool, ...],
        output: Tensor,
        gradient: Tensor,
        *tensors: Tensor | None,
    ) -> tuple[Tensor, ...]:
        try:
            return launch_backward(layout, wanted, output, gradient, *tensors)
        except RuntimeError as error:
            if "Batching rule" not in str(error):
                raise
            raise RuntimeError(
                "the numba backend takes no `is_grads_batched` and no `vectorize=True`; use "
                "torch.func.vmap, or backend='torch'"
            ) from error

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.layout, ctx.wanted = inputs[:2]
        ctx.save_for_backward(*inputs[3:])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> _Tensors:
        gradient, *tensors = ctx.saved_tensors
        present = [tensor for tensor in tensors if tensor is not None]
        wanted = [i for i, tensor in enumerate(tensors) if tensor is not None and ctx.wanted[i]]

        def first_gradients(gradient: Tensor, *present: Tensor) -> tuple[Tensor, ...]:
            given = iter(present)
            full = [None if tensor is None else next(given) for tensor in tensors]

            def output(*chosen: Tensor) -> Tensor:
                for i, tensor in zip(wanted, chosen, strict=True):
                    full[i] = tensor
                theta, phi, screen, fields, couplers, arms = full
                settings = {"fields": fields, "coupler_error": couplers, "arm_loss_db": arms}
                return propagate_by_torch(ctx.layout, theta, phi, screen, **settings)

            return torch.func.vjp(output, *(full[i] for i in wanted))[1](gradient)

        _, backward = torch.func.vjp(first_gradients, gradient, *present)
        second, *rest = backward(tuple(cotangents[i] for i in wanted))
        found = iter(rest)
        return (None, None, None, second, *(None if t is None else next(found) for t in tensors))

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], layout: MeshLayout, wanted: Any, *tensors: Any
    ) -> Any:
        joined = _joined(info.batch_size, in_dims[2:], tensors)
        gradients = _MeshGradient.apply(layout, wanted, *joined)
        split = tuple(
            g.unflatten(0, (info.batch_size, -1)) if is_wanted else g
            for g, is_wanted in zip(gradients, wanted, strict=True)
        )
        return split, tuple(0 if is_wanted else None for is_wanted in wanted)


# torch binds the arguments of every call by the signature, and would find it out anew each time.
for _function in (_Mesh, _MeshGradient):
    _function.forward.__signature__ = inspect.signature(_function.forward)


def _joined(size: int, dims: tuple[int | None, ...], tensors: tuple[Any, ...]) -> list[Any]:
    """Tensors whose mapped dimension is joined with the batch dimension."""
    joined = []
    for tensor, dim in zip(tensors, dims, strict=True):
        if isinstance(tensor, Tensor):
            front = tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            tensor = front.flatten(0, 1)
        joined.append(tensor)
    return joined
