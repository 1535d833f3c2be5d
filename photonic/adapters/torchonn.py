"""State dicts of torchonn's MZIBlockLinear as programs and photonic layers, and back.

Names and shapes, g = grid_dim_y x grid_dim_x, b = the outer miniblock (1 x 1 for an integer):
``weight`` (g, b, k, k), ``U`` and ``V`` alike, ``S`` and ``phase_S`` (g, b, k), ``S_scale``
(g, b, 1), ``phase_U`` and ``phase_V`` (g, b, k (k - 1)/2), ``delta_list_U`` and ``delta_list_V``
(g, b, k), ``bias`` (out_features,). A block is U diag(S) V, S = S_scale cos(phase_S), V transposed
already. All names are in every state dict, but only those of the layer's mode are trained, so the
mode must be told.

Only tensors are read: load files with safetensors. The meshes are in ``torchonn_mesh``.

Source: torchonn 0.0.8, layers/mzi_linear.py, by its behaviour.
"""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from photonic.adapters.torchonn_mesh import (
    ALGORITHMS,
    Algorithm,
    FloatArray,
    decompose_orthogonal,
    light_path,
    mesh_matrices,
)
from photonic.adapters.torchonn_state import TiledState, finite_tensor
from photonic.decomposition import decompose
from photonic.folding import fold_phases
from photonic.layout import MeshLayout
from photonic.linear import PhotonicLinear
from photonic.mapping import map_linear
from photonic.phases import MeshPhases
from photonic.program import Program
from photonic.propagation import transfer_matrix

# Shapes: R, C tiles that cover the weight, k x k a tile, P = k (k - 1) / 2.
Mode = Literal["weight", "usv", "phase"]
MODES: tuple[Mode, ...] = ("weight", "usv", "phase")
"""What a layer of torchonn trains."""

_LARGEST_IMAGINARY = 1e-9
"""Of the entries of a mesh that counts as real; rounding leaves 1e-14."""

_SIGN_ROUNDING = 1e-5
"""Of the signs, which torchonn takes from a diagonal in float32."""


def program_from_torchonn(
    state: Mapping[str, Tensor],
    out_features: int,
    in_features: int,
    *,
    mode: Mode,
    algorithm: Algorithm = "clements",
    prefix: str = "",
    name: str = "",
) -> Program:
    """The program that performs the weight of a layer of torchonn.

    ``phase``: attenuations and scales are those of the layer; a negative S is a phase of pi behind
    V. Clements meshes keep their interferometers: a rotation by p becomes theta = +-(pi - 2 p).
    Reck meshes are decomposed anew, because their long side is below and ours on top. ``usv`` and
    ``weight`` are dense, and ``usv`` is not kept orthogonal: both are decomposed from the weight.

    Args:
        state: state dict of the layer or of a network.
        out_features: rows of the weight.
        in_features: columns of the weight.
        mode: mode of the layer.
        algorithm: its ``decompose_alg``; "francis" is refused.
        prefix: of the layer's names in the state dict, such as "fc1.".
        name: name of the program, by which a chip draws its errors; ``realise`` needs one.

    Returns:
        A program of k x k tiles on meshes of the kind ``algorithm``.

    Raises:
        ValueError: if a tensor is missing, does not fit or is not finite, a sign is not +1 or -1,
            or the algorithm has no planar mesh.
    """
    _check_choice(mode, algorithm)
    source = TiledState(state, prefix, out_features, in_features)
    if mode == "phase":
        return _from_phases(source, algorithm, name)
    if mode == "weight":
        tiles = source.tiles("weight", 2)
    else:
        tiles = source.tiles("U", 2) @ (source.tiles("S", 1)[..., None] * source.tiles("V", 2))
    if tiles.shape[-1] != tiles.shape[-2]:
        raise ValueError(f"blocks must be square, got {tuple(tiles.shape[-2:])}")
    weight = _joined(tiles)[:out_features, :in_features]
    return map_linear(weight, algorithm, tiles.shape[-1], name)


def layer_from_torchonn(
    state: Mapping[str, Tensor],
    out_features: int,
    in_features: int,
    *,
    mode: Mode,
    algorithm: Algorithm = "clements",
    prefix: str = "",
    dtype: torch.dtype = torch.float32,
) -> PhotonicLinear:
    """The photonic layer of a layer of torchonn, trained in the same kind of parameters.

    Args:
        state: state dict of the layer or of a network.
        out_features: length of y.
        in_features: length of x.
        mode: mode of the layer; "phase" becomes the parameterisation "phases".
        algorithm: its ``decompose_alg``.
        prefix: of the layer's names in the state dict.
        dtype: dtype of the layer.

    Raises:
        ValueError: as ``program_from_torchonn``.
    """
    program = program_from_torchonn(
        state, out_features, in_features, mode=mode, algorithm=algorithm, prefix=prefix
    )
    bias = state.get(f"{prefix}bias")
    if bias is not None:
        bias = finite_tensor(f"{prefix}bias", bias, 1)
    kind = "phases" if mode == "phase" else mode
    return PhotonicLinear.from_program(program, bias, parameterisation=kind, dtype=dtype)


def torchonn_from_program(
    program: Program,
    bias: Tensor | None = None,
    *,
    algorithm: Algorithm = "clements",
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """State of a layer ``MZIBlockLinear(in, out, miniblock=k, decompose_alg=algorithm)``.

    All modes are filled alike. Load it by ``load_state_dict(state, strict=False)``: the quantisers
    of torchonn, at rest by default, are not part of it.

    Args:
        program: settings whose U and V are real orthogonal, as ``map_linear`` makes them.
        bias: (out_features,) bias, or None.
        algorithm: "clements" or "reck", whatever the meshes of the program are.
        dtype: dtype of the tensors.

    Raises:
        ValueError: if tiles are not square or smaller than 2 x 2, or a U or V is not real:
            torchonn's rotations perform nothing else.
    """
    _check_choice("phase", algorithm)
    rows, columns = program.tile_shape
    if rows != columns or rows < 2:
        raise ValueError(
            f"torchonn needs square blocks of 2 x 2 or more, those of {program.name!r} are "
            f"{rows} x {columns}"
        )
    grid = program.grid_shape
    u = _real_matrices(program, "U", program.u_layout, program.u)
    v = _real_matrices(program, "V", program.v_layout, program.v)
    scale = program.scale[..., None]
    singular = scale * program.attenuation
    parts = {
        "weight": u @ (singular[..., None] * v),
        "U": u,
        "S": singular,
        "V": v,
        "phase_S": program.attenuation.arccos(),
        "S_scale": scale,
    }
    for mesh, matrices in (("U", u), ("V", v)):
        flat = matrices.reshape(-1, rows, rows).numpy()
        phase, delta = decompose_orthogonal(flat, algorithm)
        parts[f"phase_{mesh}"] = torch.from_numpy(phase).reshape(*grid, -1)
        parts[f"delta_list_{mesh}"] = torch.from_numpy(delta).reshape(*grid, -1)
    state = {key: part.unsqueeze(2).unsqueeze(2).to(dtype) for key, part in parts.items()}
    if bias is not None:
        if tuple(bias.shape) != (program.out_features,):
            raise ValueError(
                f"`bias` must have shape ({program.out_features},), got {tuple(bias.shape)}"
            )
        state["bias"] = bias.detach().cpu().to(dtype)
    return {key: tensor.contiguous() for key, tensor in state.items()}


def torchonn_from_layer(
    layer: PhotonicLinear, *, algorithm: Algorithm = "clements", dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """State of the layer of torchonn that does what a photonic layer does.

    Args:
        layer: a layer in any parameterisation.
        algorithm: as in ``torchonn_from_program``.
        dtype: dtype of the tensors.

    Raises:
        ValueError: as ``torchonn_from_program``; meshes trained as ``phases`` are hardly ever real.
    """
    return torchonn_from_program(layer.program(), layer.bias, algorithm=algorithm, dtype=dtype)


def _from_phases(source: TiledState, algorithm: Algorithm, name: str) -> Program:
    delta = {mesh: source.tiles(f"delta_list_{mesh}", 1) for mesh in "UV"}
    size = delta["U"].shape[-1]
    if size < 2:
        raise ValueError("blocks must be 2 x 2 or larger")
    lengths = {f"phase_{mesh}": size * (size - 1) // 2 for mesh in "UV"}
    lengths |= {"delta_list_U": size, "delta_list_V": size, "phase_S": size, "S_scale": 1}
    tiles = {key: source.tiles(key, 1) for key in lengths}
    grid = tiles["phase_S"].shape[:2]
    for key, length in lengths.items():
        if tuple(tiles[key].shape) != (*grid, length):
            found = tuple(tiles[key].shape)
            raise ValueError(f"{key!r} must have {(*grid, length)} entries by tile, got {found}")
    tiles = {key: source.covering(tensor, size) for key, tensor in tiles.items()}
    singular = tiles["S_scale"] * tiles["phase_S"].cos()
    layout = MeshLayout(algorithm, size)
    meshes = {
        mesh: _mesh_phases(tiles[f"phase_{mesh}"], tiles[f"delta_list_{mesh}"], algorithm)
        for mesh in "UV"
    }
    v = meshes["V"]
    turned = fold_phases(
        layout, MeshPhases(v.theta, v.phi, v.output_phase + math.pi * (singular < 0))
    )
    return Program(
        name=name,
        out_features=source.features[0],
        in_features=source.features[1],
        u_layout=layout,
        v_layout=layout,
        u=meshes["U"],
        v=turned,
        attenuation=tiles["phase_S"].cos().abs(),
        scale=tiles["S_scale"].squeeze(-1).abs(),
    )


def _mesh_phases(phase: Tensor, delta: Tensor, algorithm: Algorithm) -> MeshPhases:
    """Settings of our meshes for meshes of torchonn, batch shape (R, C)."""
    grid, size = phase.shape[:2], delta.shape[-1]
    acting = delta if algorithm == "reck" else delta[..., [0, -1]]
    if ((acting.abs() - 1).abs() > _SIGN_ROUNDING).any():
        raise ValueError(
            "signs (delta_list) must be +1 or -1: is the layer in the mode phase, and does it hold "
            "phases already?"
        )
    angles = phase.reshape(-1, phase.shape[-1]).numpy()
    signs = delta.sign().reshape(-1, size).numpy()
    layout = MeshLayout(algorithm, size)
    if algorithm == "reck":
        matrices = mesh_matrices(angles, signs, algorithm)
        return decompose(torch.from_numpy(matrices).reshape(*grid, size, size), layout)
    parts = (torch.from_numpy(part).reshape(*grid, -1) for part in _carried(angles, signs))
    return fold_phases(layout, MeshPhases(*parts))


def _carried(angles: FloatArray, signs: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """theta, phi and output phases of Clements meshes of rotations and signs.

    A rotation R(p) behind phases a, b of its rails is exp(i (b + p)) M(pi - 2 p, a - b - pi); the
    phase in front is no global one and goes on with the light of both rails.
    """
    theta, phi = [], []
    arrears = np.zeros_like(signs)
    for rail, p, sign in light_path(angles, signs, "clements"):
        if p is None:
            arrears[:, rail] += np.where(sign < 0, math.pi, 0.0)
            continue
        theta.append(math.pi - 2 * p)
        phi.append(arrears[:, rail] - arrears[:, rail + 1] - math.pi)
        arrears[:, rail] = arrears[:, rail + 1] = arrears[:, rail + 1] + p
    return np.stack(theta, axis=-1), np.stack(phi, axis=-1), arrears


def _real_matrices(program: Program, mesh: str, layout: MeshLayout, phases: MeshPhases) -> Tensor:
    """(R, C, k, k) real matrices of the meshes of a program."""
    matrices = transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase)
    imaginary = matrices.imag.abs().amax(dim=(-1, -2))
    if imaginary.max() > _LARGEST_IMAGINARY:
        row, column = divmod(int(imaginary.argmax()), imaginary.shape[1])
        raise ValueError(
            f"mesh {mesh} of {program.name!r}, tile ({row}, {column}), is complex (imaginary parts "
            f"up to {imaginary.max():.2g}), and the meshes of torchonn are real rotations; map its "
            "weight anew to get real ones"
        )
    return matrices.real.contiguous()


def _joined(tiles: Tensor) -> Tensor:
    """(R k, C k) matrix of tiles."""
    return tiles.transpose(1, 2).flatten(2, 3).flatten(0, 1)


def _check_choice(mode: str, algorithm: str) -> None:
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {', '.join(MODES)}, got {mode!r}")
    if algorithm == "francis":
        raise ValueError(
            "the decomposition 'francis' couples rails that are not neighbours: it is no planar "
            "mesh; switch the layer to clements or reck"
        )
    if algorithm not in ALGORITHMS:
        raise ValueError(f"`algorithm` must be one of {', '.join(ALGORITHMS)}, got {algorithm!r}")
