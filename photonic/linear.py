"""Dense layers that compute with the weight of a grid of optical tiles.

``PhotonicLinear`` replaces ``nn.Linear``; what is trained is its parameterisation (``Entries``,
``OrthogonalFactors`` or ``MeshSettings``). The light is ideal; a chip's errors are for ``realise``.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from photonic._computed_weight import ComputedWeight
from photonic.checks import as_real_tensor, instance, real_dtype, whole_number
from photonic.mesh_settings import MeshSettings
from photonic.orthogonal_factors import OrthogonalFactors
from photonic.parameterisations import Entries, Layout, Parameterisation, blank_wiring
from photonic.program import Program

Kind = Literal["weight", "usv", "phases"]
"""What is trained: the entries of the weight, its singular factors or the phases of the meshes."""

_KINDS: dict[str, type[Parameterisation]] = {
    "weight": Entries,
    "usv": OrthogonalFactors,
    "phases": MeshSettings,
}


_COMPUTED = (
    "the weight of a layer trained as {!r} is computed: it cannot be assigned, pruned, normalised "
    "or parametrised. Use `set_weight`, one of its parameters by name, or "
    '`parameterisation="weight"`'
)


class _WithoutWeight(dict[str, Any]):
    """Parameters of a layer whose weight is computed; says so to what takes the weight for one."""

    def __init__(self, parameterisation: str) -> None:
        super().__init__()
        self.parameterisation = parameterisation

    def __missing__(self, name: str) -> Any:
        if name == "weight":
            raise TypeError(_COMPUTED.format(self.parameterisation))
        raise KeyError(name)

    def __delitem__(self, name: str) -> None:
        self[name]
        super().__delitem__(name)

    def __reduce__(self) -> Any:
        return _WithoutWeight, (self.parameterisation,), None, None, iter(self.items())


class PhotonicLinear(nn.Module):
    """Affine layer y = x W^T + b whose W is performed by a grid of optical tiles.

    A drop-in for ``nn.Linear``. The parameters are those of the parameterisation, ``bias``
    (out_features,) apart:

    ``weight``: W itself, ``weight`` (out_features, in_features), mapped onto the tiles on demand.

    ``usv``: tiles U diag(S) V with U and V orthogonal throughout (``OrthogonalFactors``); half
    precision is computed in float32.

    ``phases``: tiles scale Re(U diag(attenuation) V) from the settings of the optics
    (``MeshSettings``); float32 or float64 only.

    The state dict of an ``nn.Linear`` of the same shape is loaded by all three; in ``usv`` and
    ``phases`` it is decomposed. Their own state dicts are restored bit for bit.

    Args:
        in_features: length of x.
        out_features: length of y.
        bias: whether there is a b.
        parameterisation: what is trained.
        layout: kind of all meshes, or the wirings of the U and the V meshes of a tile. Layouts
            without a direct decomposition are for ``phases`` only, and cannot be set to a weight.
        tile: size K of K x K tiles, or "full" for a single tile; of no effect beside two wirings.
        generator: source of the initial values; None for torch's own, as in ``nn.Linear``.
        device: device of the parameters.
        dtype: dtype of the parameters; None for torch's default.

    ``torch.nn.utils`` prunes, normalises and parametrises the weight of ``weight`` and the
    parameters of the other two; their weight, which is computed, is refused untouched.

    Raises:
        TypeError: if the dtype or the generator is not of its kind.
        ValueError: if an argument is not valid or the parameterisation cannot use the layout.

    Source: Shen et al., Nat. Photon. 11, 441 (2017), for U S V^T on two meshes.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        parameterisation: Kind = "weight",
        layout: Layout = "clements",
        tile: int | Literal["full"] = 16,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if parameterisation not in _KINDS:
            known = ", ".join(map(repr, _KINDS))
            raise ValueError(f"`parameterisation` must be one of {known}, got {parameterisation!r}")
        dtype = torch.get_default_dtype() if dtype is None else dtype
        real_dtype("dtype", dtype, is_half=parameterisation != "phases")
        instance("generator", generator, (torch.Generator, type(None)))
        self.in_features = whole_number("in_features", in_features, 1)
        self.out_features = whole_number("out_features", out_features, 1)
        self.parameterisation = parameterisation
        wiring = blank_wiring(self.out_features, self.in_features, layout, tile)
        self._rule = _KINDS[parameterisation](wiring)
        if not isinstance(self._rule, Entries):
            self._parameters = _WithoutWeight(parameterisation)
        initial = self._rule.initial(generator, dtype)
        self._names = tuple(initial)
        for name, tensor in initial.items():
            # Copies of their own, because files of weights refuse strides and shared memory.
            tensor = tensor.to(device, dtype).clone(memory_format=torch.contiguous_format)
            if name in self._rule.fixed:
                self.register_buffer(name, tensor)
            else:
                self.register_parameter(name, nn.Parameter(tensor))
        offset = None
        if bias:
            bound = 1 / math.sqrt(self.in_features)
            drawn = torch.empty(self.out_features, dtype=dtype).uniform_(
                -bound, bound, generator=generator
            )
            offset = nn.Parameter(drawn.to(device))
        self.register_parameter("bias", offset)

    @classmethod
    def from_linear(
        cls,
        linear: nn.Linear,
        *,
        parameterisation: Kind = "weight",
        layout: Layout = "clements",
        tile: int | Literal["full"] = 16,
    ) -> "PhotonicLinear":
        """The photonic layer that does what a digital one does.

        Args:
            linear: any module with ``weight`` and ``bias`` as in ``nn.Linear``.
            parameterisation: what is trained.
            layout: as in the constructor.
            tile: as in the constructor.

        Returns:
            A layer of the same weight within rounding and the same bias, on the same device, in
            the same dtype, trainable where ``linear`` is.
        """
        weight, bias = linear.weight, linear.bias
        layer = cls(
            weight.shape[1],
            weight.shape[0],
            bias is not None,
            parameterisation=parameterisation,
            layout=layout,
            tile=tile,
            generator=torch.Generator(),
            device=weight.device,
            dtype=weight.dtype,
        )
        layer.set_weight(weight)
        layer.requires_grad_(weight.requires_grad)
        if bias is not None:
            layer._store({"bias": bias})
            layer.bias.requires_grad_(bias.requires_grad)
        return layer.train(linear.training)

    @classmethod
    def from_program(
        cls,
        program: Program,
        bias: Tensor | None = None,
        *,
        parameterisation: Kind = "phases",
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> "PhotonicLinear":
        """The layer that starts at the settings of a program, on its tiles and wirings.

        Args:
            program: ideal settings.
            bias: (out_features,) bias, or None for none.
            parameterisation: what is trained; "phases" keeps the settings, the others the weight.
            device: device of the layer.
            dtype: dtype of the layer.

        Raises:
            ValueError: if the parameterisation cannot use the wirings, or the bias does not fit.
        """
        layer = cls(
            program.in_features,
            program.out_features,
            bias is not None,
            parameterisation=parameterisation,
            layout=(program.u_layout, program.v_layout),
            generator=torch.Generator(),
            device=device,
            dtype=dtype,
        )
        layer._store(layer._rule.from_program(program))
        if bias is not None:
            layer._store({"bias": bias})
        return layer

    @property
    def weight(self) -> Tensor:
        """(out_features, in_features) effective weight, differentiable in the parameters.

        In ``usv`` and ``phases`` it is computed at each access. Changes in place, as in ``nn.init``
        or ``weight.mul_(0.1)`` under ``torch.no_grad()``, set the layer to the new weight; it
        cannot be assigned, use ``set_weight``.
        """
        if "weight" in self._names:
            stored = self._parameters.get("weight", self.__dict__.get("weight"))
            if stored is None:
                raise AttributeError("weight")
            return stored
        weight = self._rule.weight(self._tensors())
        # Contiguous as a parameter is, so that an initialiser puts the same draws in its place.
        return ComputedWeight.hand_out(weight.contiguous(), self.set_weight)

    @weight.setter
    def weight(self, weight: Tensor) -> None:
        # For torch.nn.utils, which puts a pruned or normalised weight in place of the parameter.
        if "weight" not in self._names:
            raise AttributeError(_COMPUTED.format(self.parameterisation))
        self.__dict__["weight"] = weight

    @weight.deleter
    def weight(self) -> None:
        if "weight" not in self._names:
            raise AttributeError(_COMPUTED.format(self.parameterisation))
        if "weight" not in self.__dict__:
            raise AttributeError("weight")
        del self.__dict__["weight"]

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """As in any module; a computed weight is refused under any name, as pruning would store it.

        Raises:
            TypeError: for a computed weight.
        """
        if isinstance(param, ComputedWeight) or (name == "weight" and name not in self._names):
            raise TypeError(_COMPUTED.format(self.parameterisation))
        super().register_parameter(name, param)

    def forward(self, x: Tensor) -> Tensor:
        """(..., out_features) of (..., in_features), y = x W^T + b."""
        return functional.linear(x, self._rule.weight(self._tensors()), self.bias)

    def set_weight(self, weight: Tensor) -> None:
        """Change the parameters, in place, so that the layer has a given weight within rounding.

        Args:
            weight: (out_features, in_features) real and finite.

        Raises:
            ValueError: if the weight does not fit, or the meshes have no direct decomposition.
        """
        self._store(self._tensors_of(weight))

    def program(self, name: str = "") -> Program:
        """Ideal settings that perform the present weight.

        Args:
            name: name of the layer in the program, by which a chip draws its errors; ``realise``
                needs one.

        Returns:
            A program on the CPU; in ``phases`` its meshes are those of the layer, with the phases
            folded into the ranges of the conventions.

        Raises:
            ValueError: if a parameter is not finite, or the meshes have no direct decomposition.
        """
        with torch.no_grad():
            return self._rule.program(self._tensors(), name)

    def to_linear(self) -> nn.Linear:
        """The digital layer with the present weight and bias, trainable where this one is."""
        own = self._tensors()
        with torch.no_grad():
            weight = self._rule.weight(own).clone(memory_format=torch.contiguous_format)
        linear = nn.utils.skip_init(
            nn.Linear,
            self.in_features,
            self.out_features,
            bias=self.bias is not None,
            device=weight.device,
            dtype=weight.dtype,
        )
        is_trained = any(tensor.requires_grad for tensor in own.values())
        linear.weight = nn.Parameter(weight, requires_grad=is_trained)
        if self.bias is not None:
            bias = self.bias.detach().clone()
            linear.bias = nn.Parameter(bias, requires_grad=self.bias.requires_grad)
        return linear.train(self.training)

    def extra_repr(self) -> str:
        """Sizes, what is trained, and the wiring."""
        wiring = self._rule.wiring
        rows, columns = wiring.tile_shape
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, parameterisation={self.parameterisation}, "
            f"tiles={wiring.grid_shape} of {rows}x{columns} {wiring.u_layout.kind}"
        )

    def _tensors(self) -> dict[str, Tensor]:
        """Tensors of the parameterisation by name."""
        # By attribute: a pruned or normalised tensor is no parameter any more.
        return {name: getattr(self, name) for name in self._names}

    def _tensors_of(self, weight: Tensor) -> dict[str, Tensor]:
        """Tensors of the parameterisation for a weight, checked."""
        weight = as_real_tensor("weight", weight)
        expected = (self.out_features, self.in_features)
        if tuple(weight.shape) != expected:
            raise ValueError(f"`weight` must have shape {expected}, got {tuple(weight.shape)}")
        return self._rule.from_weight(weight.detach())

    def _store(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy values into the tensors of the layer."""
        own = {**self._parameters, **self._buffers}
        with torch.no_grad():
            for name, tensor in tensors.items():
                if name not in own:
                    raise ValueError(
                        f"`{name}` is pruned, normalised or parametrised and cannot be set; remove "
                        "that first"
                    )
                if tensor.shape != own[name].shape:
                    expected, found = tuple(own[name].shape), tuple(tensor.shape)
                    raise ValueError(f"`{name}` must have shape {expected}, got {found}")
                own[name].copy_(tensor)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """As in any module, after decomposing the weight of a digital layer."""
        *_, error_messages = rest
        key, own = f"{prefix}weight", self._tensors()
        if key in state_dict and not any(f"{prefix}{name}" in state_dict for name in own):
            try:
                tensors = self._tensors_of(state_dict.pop(key))
            except ValueError as error:
                error_messages.append(f"{key}: {error}")
                tensors = own
            # The dtype of the layer, because that of the checkpoint may hold phases less exactly.
            state_dict |= {f"{prefix}{name}": tensors[name].to(own[name]) for name in own}
        super()._load_from_state_dict(state_dict, prefix, *rest)


def photonic_linear(
    *,
    parameterisation: Kind = "weight",
    layout: Layout = "clements",
    tile: int | Literal["full"] = 16,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Callable[..., PhotonicLinear]:
    """The factory of photonic layers, for networks that build their dense layers with one.

    Args:
        parameterisation: what is trained, as in ``PhotonicLinear``.
        layout: wiring of all layers.
        tile: tile of all layers.
        generator: source of the initial values, used by one layer after the other.
        device: device of the parameters.
        dtype: dtype of the parameters.

    Returns:
        ``linear(in_features, out_features, bias=True)``, which makes a ``PhotonicLinear``.
    """
    return functools.partial(
        PhotonicLinear,
        parameterisation=parameterisation,
        layout=layout,
        tile=tile,
        generator=generator,
        device=device,
        dtype=dtype,
    )
