"""A dense layer that runs and learns on a bench, for torch: forward and backward pass are light."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from photonic.calibration.subspace import SubspaceLayer
from photonic.calibration.subspace_sampling import Sampling
from photonic.mesh_state import Commands
from photonic.randomness import keyed_generator

# Shapes: R, C tiles, r attenuators, K vectors.


class InSituLinear(nn.Module):
    """Affine layer y = x W^T + b on a bench; in place of ``nn.Linear``.

    The parameters are ``sigma`` (R, C, r, 2), real and imaginary part of the diagonals of the tiles
    in units of W, and ``bias``, which belongs to the electronics. The backward pass must follow its
    forward pass before sigma changes, as in any training loop. Not differentiable twice.

    Args:
        layer: tiles on their bench.
        bias: (out_features,) bias; None for none.
        sampling: what is left out of the gradients.
        seed: key of the random choices.
    """

    def __init__(
        self,
        layer: SubspaceLayer,
        bias: Tensor | None = None,
        *,
        sampling: Sampling | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.sampling = Sampling() if sampling is None else sampling
        self.sigma = nn.Parameter(torch.view_as_real(layer.sigma).clone())
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        self._seed, self._num_passes = seed, 0

    def forward(self, x: Tensor) -> Tensor:
        """y = x W^T + b.

        Args:
            x: (..., in_features).

        Returns:
            (..., out_features) in the dtype of x.
        """
        y = _ThroughLight.apply(x.flatten(0, -2), self.sigma, self)
        y = y.unflatten(0, x.shape[:-1])
        return y if self.bias is None else y + self.bias

    def set_attenuators(self) -> None:
        """Command the attenuators to ``sigma`` if it has changed; one setting."""
        sigma = torch.view_as_complex(self.sigma.detach().double().contiguous())
        if not torch.equal(sigma, self.layer.sigma):
            self.layer.set_sigma(sigma)

    def next_generator(self) -> np.random.Generator:
        """Generator of the choices of one backward pass."""
        self._num_passes += 1
        name = self.layer.bench.program.name
        return keyed_generator(self._seed, name, "subspace_sampling", self._num_passes)


class _ThroughLight(torch.autograd.Function):
    """Forward and backward pass of an ``InSituLinear``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, sigma: Tensor, module: InSituLinear) -> Tensor:
        module.set_attenuators()
        ctx.module = module
        ctx.save_for_backward(x, sigma)
        return module.layer.forward(x)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, sigma = ctx.saved_tensors
        module, generator = ctx.module, ctx.module.next_generator()
        grad_x, grad_sigma = None, None
        if ctx.needs_input_grad[1]:
            gradient = module.layer.sigma_gradient(x, grad_y, module.sampling, generator)
            grad_sigma = torch.view_as_real(gradient).to(sigma.dtype)
        if ctx.needs_input_grad[0]:
            grad_x = module.layer.input_gradient(grad_y, module.sampling, generator)
        return grad_x, grad_sigma, None


@dataclass(frozen=True, eq=False)
class Learned:
    """Commands after subspace learning, and what they cost."""

    commands: Commands
    """Commands and scales of the tiles."""
    losses: Tensor
    """(epochs,) mean loss of the mini-batches of each epoch, before their steps."""
    num_settings: int
    """Settings that were used."""
    num_reads: int
    """Reads that were used."""


def subspace_learning(
    layer: SubspaceLayer,
    inputs: Tensor,
    outputs: Tensor,
    *,
    sampling: Sampling | None = None,
    num_epochs: int = 20,
    batch_size: int = 32,
    learning_rate: float = 0.03,
    seed: int = 0,
) -> Learned:
    """Attenuations with which a layer gives wanted outputs for given activations.

    Adam on mean((y - outputs)^2), all gradients from the light of the layer itself. The step falls
    to 0 as a cosine.

    Args:
        layer: tiles on their bench; left at the result.
        inputs: (B, in_features) activations.
        outputs: (B, out_features) what the layer should give, for example inputs W^T.
        sampling: what is left out.
        num_epochs: passes over the activations, at least 1.
        batch_size: vectors per step.
        learning_rate: first step, relative to the mean magnitude of sigma.
        seed: key of the random choices.

    Returns:
        Commands and losses.

    Source: Gu et al., L2ight, NeurIPS 2021; Kingma and Ba, ICLR 2015 (Adam).
    """
    before = layer.bench.num_settings, layer.bench.num_reads
    module = InSituLinear(layer, sampling=sampling, seed=seed)
    rate = learning_rate * layer.sigma.abs().mean().item()
    optimiser = torch.optim.Adam([module.sigma], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, num_epochs)
    losses = []
    for epoch in range(num_epochs):
        generator = keyed_generator(seed, layer.bench.program.name, "subspace_learning", epoch)
        batch_losses = []
        for batch in _batches(len(inputs), batch_size, module.sampling, generator):
            optimiser.zero_grad()
            loss = (module(inputs[batch]) - outputs[batch]).square().mean()
            loss.backward()
            optimiser.step()
            batch_losses.append(loss.item())
        schedule.step()
        losses.append(float(np.mean(batch_losses)) if batch_losses else float("nan"))
    module.set_attenuators()
    bench = layer.bench
    return Learned(
        layer.commands(),
        torch.tensor(losses, dtype=torch.float64),
        bench.num_settings - before[0],
        bench.num_reads - before[1],
    )


def _batches(
    num_vectors: int, size: int, sampling: Sampling, generator: np.random.Generator
) -> Iterator[Tensor]:
    """Numbers of the vectors of each mini-batch that is used."""
    for batch in torch.from_numpy(generator.permutation(num_vectors)).split(size):
        if sampling.is_used(generator):
            yield batch
