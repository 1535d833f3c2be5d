"""A weight as the settings of the meshes and attenuators that perform it.

Shape legend: R, C rows and columns of tiles, m x n one tile, r = min(m, n), M interferometers.
"""

import math

import torch
from torch import Tensor

from photonic.fitting import random_phases
from photonic.folding import fold_phases
from photonic.haar import haar_phases
from photonic.layout import MeshLayout
from photonic.parameterisations import Parameterisation, Tensors, map_onto
from photonic.phases import MeshPhases
from photonic.program import Program
from photonic.propagation import transfer_matrix
from photonic.randomness import keyed_generator


class MeshSettings(Parameterisation):
    """Settings of the optics: tiles scale Re(U[:, :r] diag(attenuation) V[:r, :]).

    attenuation = sin(attenuator_theta / 2), the field that an attenuator of ``Program`` lets
    through. All settings are free real numbers; those of a program are brought into range.

    Tensors: ``u_K_theta``, ``u_K_phi`` (R, C, M), ``u_K_output_phase`` (R, C, m) [rad], where K is
    the kind of mesh, so that settings of another wiring are not loaded by mistake; the same for v;
    ``attenuator_theta`` (R, C, r) [rad]; ``scale`` (R, C).
    """

    def initial(self, generator: torch.Generator | None, dtype: torch.dtype) -> dict[str, Tensor]:
        """Random meshes, attenuators in the middle of their range, equal scales.

        The meshes are Haar-random if they are universal, and made of Haar-random interferometers
        if not. For unitary U and V the squares of U[:, :r] diag(a) V[:r, :] sum to sum_k a_k^2,
        half of it in the real part because the output phases are uniform. So the entries of a tile
        have the mean variance scale^2 r a^2 / (2 m n) = 1 / (3 in_features), each of them if U and
        V are Haar-random (E U_ik conj(U_il) = delta_kl / m). a = sin(pi/4).
        """
        (rows, columns), wiring = self.wiring.tile_shape, self.wiring
        seed = int(torch.randint(2**62, (), generator=generator))
        tensors = {}
        for mesh, layout in self._layouts().items():
            draw = haar_phases if layout.is_universal else random_phases
            phases = draw(layout, *wiring.grid_shape, generator=keyed_generator(seed, mesh))
            tensors |= _named(mesh, layout, phases)
        scale = math.sqrt(4 * rows * columns / (3 * wiring.in_features * wiring.rank))
        return tensors | {
            "attenuator_theta": torch.full_like(wiring.attenuation, math.pi / 2),
            "scale": torch.full_like(wiring.scale, scale),
        }

    def weight(self, tensors: Tensors) -> Tensor:
        """The tiles, put together."""
        u, v = (
            transfer_matrix(layout, *(tensors[key] for key in _keys(mesh, layout)))
            for mesh, layout in self._layouts().items()
        )
        # The scale may be trained, so it rides on the attenuation; that of the wiring is 1.
        sigma = tensors["scale"].unsqueeze(-1) * (tensors["attenuator_theta"] / 2).sin()
        return self.wiring.assemble(u, sigma, v)

    def from_weight(self, weight: Tensor) -> dict[str, Tensor]:
        """The mapping onto the tiles."""
        return self.from_program(map_onto(weight, self.wiring))

    def from_program(self, program: Program) -> dict[str, Tensor]:
        """The settings of the program; in a tile of scale 0 the attenuators are opened.

        A dark tile with closed attenuators would have no gradient at all.
        """
        theta, _ = program.attenuator_phases()
        is_dark = (program.scale == 0).unsqueeze(-1)
        return {
            **_named("u", program.u_layout, program.u),
            **_named("v", program.v_layout, program.v),
            "attenuator_theta": torch.where(is_dark, math.pi, theta),
            "scale": program.scale,
        }

    def program(self, tensors: Tensors, name: str) -> Program:
        """The settings; a negative attenuation or scale becomes a half turn of output phases."""
        stored = {key: tensor.detach().cpu().double() for key, tensor in tensors.items()}
        u, v = (
            MeshPhases(*(stored[key] for key in _keys(mesh, layout)))
            for mesh, layout in self._layouts().items()
        )
        wiring, attenuation = self.wiring, (stored["attenuator_theta"] / 2).sin()
        turned = v.output_phase.clone()
        turned[..., : wiring.rank] += math.pi * (attenuation < 0).double()
        v = MeshPhases(v.theta, v.phi, turned)
        turned = u.output_phase + math.pi * (stored["scale"] < 0).double().unsqueeze(-1)
        u = MeshPhases(u.theta, u.phi, turned)
        return Program(
            name=name,
            out_features=wiring.out_features,
            in_features=wiring.in_features,
            u_layout=wiring.u_layout,
            v_layout=wiring.v_layout,
            u=fold_phases(wiring.u_layout, u),
            v=fold_phases(wiring.v_layout, v),
            attenuation=attenuation.abs(),
            scale=stored["scale"].abs(),
        )

    def _layouts(self) -> dict[str, MeshLayout]:
        return {"u": self.wiring.u_layout, "v": self.wiring.v_layout}


def _keys(mesh: str, layout: MeshLayout) -> tuple[str, str, str]:
    """Names of the tensors of a mesh, in the order of ``MeshPhases``."""
    start = f"{mesh}_{layout.kind}"
    return f"{start}_theta", f"{start}_phi", f"{start}_output_phase"


def _named(mesh: str, layout: MeshLayout, phases: MeshPhases) -> dict[str, Tensor]:
    values = (phases.theta, phases.phi, phases.output_phase)
    return dict(zip(_keys(mesh, layout), values, strict=True))
