"""State dicts of torchonn against a restatement of its conventions in plain numpy."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file

from photonic.adapters.torchonn import (
    layer_from_torchonn,
    program_from_torchonn,
    torchonn_from_layer,
    torchonn_from_program,
)
from photonic.adapters.torchonn_mesh import ALGORITHMS, decompose_orthogonal
from photonic.decomposition import decompose
from photonic.export_formats import torchonn_files, write_folder
from photonic.layout import MeshLayout
from photonic.linear import PhotonicLinear
from photonic.mapping import map_linear
from photonic.phases import MeshPhases
from photonic.program import Program
from photonic.propagation import transfer_matrix
from tests.photonic.matrices import assert_close, haar, random_normal
from tests.tolerances import PEER_ANGLE_EPS, TORCHONN_F32, WEIGHT_EPS, WRONG_CONVENTION

both_algorithms = pytest.mark.parametrize("algorithm", ALGORITHMS)
sizes = pytest.mark.parametrize("size", range(2, 10))
seeds = st.integers(0, 2**32)


def restated_matrix(vector, delta, algorithm):
    """Matrix of one mesh of torchonn, from its vector of phases by way of its phase matrix."""
    k = len(delta)
    turns = np.zeros((k, k))
    if algorithm == "clements":
        values = iter(vector)
        for parity in (0, 1):
            for column in range(parity, k, 2):
                for rail in range(parity, k - 1, 2):
                    turns[rail, column] = next(values)
    else:
        rows, columns = np.triu_indices(k, 1)
        turns[rows, columns - rows - 1] = vector
    total = np.eye(k)

    def turn(rail, angle):
        cos, sin = math.cos(angle), math.sin(angle)
        total[rail : rail + 2] = np.array([[cos, -sin], [sin, cos]]) @ total[rail : rail + 2]

    if algorithm == "reck":
        for i in range(k - 1):
            for j in range(i + 1):
                turn(k - 2 - i + j, turns[k - 2 - i, j])
        return np.diag(delta) @ total
    for column in range(k):
        if column == 0 and k % 2:
            total[-1] *= delta[-1]
        if column == k - 1 and k % 2:
            total[0] *= delta[0]
        for rail in range(column % 2, k - 1, 2):
            turn(rail, turns[rail, column])
        if column == 0 and not k % 2:
            total[-1] *= delta[-1]
    if not k % 2:
        total[0] *= delta[0]
    return total


def restated_weight(state, out_features, in_features, algorithm):
    """Weight in the mode ``phase``, block by block."""
    s = {key: value.to(torch.float64).numpy() for key, value in state.items()}
    blocks = s["phase_S"].shape[:4]
    k = s["phase_S"].shape[-1]
    total = np.zeros((blocks[0] * blocks[2] * k, blocks[1] * blocks[3] * k))
    for y, x, r, c in np.ndindex(*blocks):
        place = (y, x, r, c)
        u, v = (
            restated_matrix(s[f"phase_{mesh}"][place], s[f"delta_list_{mesh}"][place], algorithm)
            for mesh in "UV"
        )
        singular = s["S_scale"][place] * np.cos(s["phase_S"][place])
        row, column = (y * blocks[2] + r) * k, (x * blocks[3] + c) * k
        total[row : row + k, column : column + k] = u @ np.diag(singular) @ v
    return torch.from_numpy(total[:out_features, :in_features])


def random_state(generator, grid, k, dtype=torch.float64):
    """Settings of all kinds, negative singular values and both signs included."""
    state = {}
    for mesh in "UV":
        delta = np.ones((*grid, k))
        delta[..., [0, -1]] = generator.choice([-1.0, 1.0], (*grid, 2))
        state[f"delta_list_{mesh}"] = delta
        state[f"phase_{mesh}"] = generator.uniform(-np.pi, np.pi, (*grid, k * (k - 1) // 2))
    state["phase_S"] = generator.uniform(0, np.pi, (*grid, k))
    state["S_scale"] = generator.normal(size=(*grid, 1))
    return {key: torch.from_numpy(value).to(dtype) for key, value in state.items()}


def relative_error(found, expected):
    return (found - expected).norm().item() / expected.norm().item()


@both_algorithms
@given(size=st.integers(2, 8), seed=seeds)
def test_phases_perform_the_same_weight(algorithm, size, seed):
    generator = np.random.default_rng(seed)
    state = random_state(generator, (2, 3, 1, 1), size)
    out_features, in_features = 2 * size - 1, 3 * size
    program = program_from_torchonn(
        state, out_features, in_features, mode="phase", algorithm=algorithm
    )
    expected = restated_weight(state, out_features, in_features, algorithm)
    assert_close(program.weight(), expected, PEER_ANGLE_EPS * float(program.scale.max() + 1))
    for phases in (program.u, program.v):
        assert ((phases.theta >= 0) & (phases.theta <= math.pi)).all()


@both_algorithms
def test_nested_blocks_and_padding_lie_where_torchonn_has_them(algorithm):
    state = random_state(np.random.default_rng(1), (2, 1, 2, 3), 4)
    program = program_from_torchonn(state, 9, 12, mode="phase", algorithm=algorithm)
    assert program.grid_shape == (3, 3)
    expected = restated_weight(state, 9, 12, algorithm)
    assert relative_error(program.weight(), expected) < WEIGHT_EPS * torch.finfo(torch.float64).eps


@sizes
@both_algorithms
def test_every_orthogonal_matrix_has_phases_and_signs(algorithm, size):
    generator = np.random.default_rng(size)
    matrices = [np.linalg.qr(generator.normal(size=(size, size)))[0] for _ in range(4)]
    matrices += [np.eye(size), -np.eye(size), np.flip(np.eye(size), 0).copy()]
    matrices += [np.eye(size)[generator.permutation(size)] for _ in range(3)]
    matrices += [np.diag(generator.choice([-1.0, 1.0], size)) for _ in range(8)]
    phase, delta = decompose_orthogonal(np.stack(matrices), algorithm)
    assert (np.abs(phase) <= np.pi).all()
    if algorithm == "clements":
        assert (delta[:, 1:-1] == 1).all()
    for matrix, vector, signs in zip(matrices, phase, delta, strict=True):
        found = restated_matrix(vector, signs, algorithm)
        assert_close(torch.from_numpy(found), torch.from_numpy(matrix), PEER_ANGLE_EPS)


@pytest.mark.parametrize("mesh", ["clements", "reck"])
@both_algorithms
def test_a_mapped_weight_goes_there_and_back(algorithm, mesh):
    weight = random_normal(3, 13, 10)
    program = map_linear(weight, mesh, 5)
    state = torchonn_from_program(program, algorithm=algorithm, dtype=torch.float64)
    assert_close(restated_weight(state, 13, 10, algorithm), weight, PEER_ANGLE_EPS * 10)
    for mode in ("weight", "usv", "phase"):
        again = program_from_torchonn(state, 13, 10, mode=mode, algorithm=algorithm)
        assert_close(again.weight(), weight, PEER_ANGLE_EPS * 10)
        assert again.u_layout.kind == algorithm


def test_attenuations_and_scales_are_kept():
    program = map_linear(random_normal(4, 8, 8), tile=4)
    state = torchonn_from_program(program, dtype=torch.float64)
    again = program_from_torchonn(state, 8, 8, mode="phase")
    assert torch.equal(again.scale, program.scale)
    assert_close(again.attenuation, program.attenuation, PEER_ANGLE_EPS)


def test_clements_interferometers_are_kept_one_by_one():
    """|sin(theta/2)| = |cos p| at the same place: no interferometer is decomposed anew."""
    state = random_state(np.random.default_rng(5), (1, 1, 1, 1), 4)
    program = program_from_torchonn(state, 4, 4, mode="phase")
    even_then_odd = state["phase_U"][0, 0, 0, 0]
    order = [0, 1, 4, 2, 3, 5]  # columns 0, 1, 2, 3 have 2, 1, 2, 1 interferometers
    found = (program.u.theta[0, 0] / 2).sin()
    assert_close(found, even_then_odd[order].cos().abs(), PEER_ANGLE_EPS)


@pytest.mark.parametrize("mode", ["weight", "usv"])
def test_dense_modes_are_decomposed_from_their_weight(mode):
    """U and V of ``usv`` are trained freely, so that they are not orthogonal."""
    u, v, s = random_normal(6, 2, 2, 1, 1, 3, 3), random_normal(7, 2, 2, 1, 1, 3, 3), torch.ones(3)
    state = {"U": u, "V": v, "S": s.expand(2, 2, 1, 1, 3).clone(), "weight": u @ v}
    program = program_from_torchonn(state, 5, 6, mode=mode)
    blocks = (u @ v)[:, :, 0, 0]
    expected = blocks.transpose(1, 2).reshape(6, 6)[:5]
    assert_close(program.weight(), expected, WEIGHT_EPS * 10)


def test_layers_compute_the_same_with_their_bias():
    digital = torch.nn.Linear(10, 7)
    layer = PhotonicLinear.from_linear(digital, tile=4)
    state = {f"fc.{key}": value for key, value in torchonn_from_layer(layer).items()}
    x = random_normal(8, 5, 10, dtype=torch.float32)
    for mode in ("weight", "usv", "phase"):
        again = layer_from_torchonn(state, 7, 10, mode=mode, prefix="fc.")
        assert again.parameterisation == ("phases" if mode == "phase" else mode)
        assert relative_error(again(x), digital(x)) < TORCHONN_F32


@both_algorithms
def test_wrong_readings_do_not_match(algorithm):
    """A vector read column by column, V not transposed, or the other algorithm."""
    state = random_state(np.random.default_rng(9), (1, 1, 1, 1), 5)
    expected = restated_weight(state, 5, 5, algorithm)
    other = "reck" if algorithm == "clements" else "clements"
    wrong = {
        "order": state | {"phase_U": state["phase_U"].flip(-1)},
        "meshes": {
            key.translate(str.maketrans("UV", "VU")) if key[-2:] in ("_U", "_V") else key: value
            for key, value in state.items()
        },
    }
    for name, changed in wrong.items():
        found = program_from_torchonn(changed, 5, 5, mode="phase", algorithm=algorithm).weight()
        assert (found - expected).abs().max() > WRONG_CONVENTION, name
    found = program_from_torchonn(state, 5, 5, mode="phase", algorithm=other).weight()
    assert (found - expected).abs().max() > WRONG_CONVENTION


def test_complex_meshes_are_refused():
    layout = MeshLayout.clements(4)
    mesh = decompose(haar(4, 0)[None, None], layout)
    program = Program(
        "made",
        4,
        4,
        layout,
        layout,
        mesh,
        mesh,
        torch.ones(1, 1, 4).double(),
        torch.ones(1, 1).double(),
    )
    with pytest.raises(ValueError, match=r"mesh U of 'made', tile \(0, 0\), is complex"):
        torchonn_from_program(program)


def test_a_common_phase_counts_as_complex():
    program = map_linear(random_normal(2, 4, 4), tile=4)
    v = MeshPhases(program.v.theta, program.v.phi, program.v.output_phase + 0.1)
    turned = Program(**{**vars(program), "v": v})
    with pytest.raises(ValueError, match="mesh V"):
        torchonn_from_program(turned)


STATE = torchonn_from_program(map_linear(random_normal(0, 6, 6), tile=3))
BAD = [
    ({"phase_U": None}, "has no 'phase_U'"),
    ({"phase_U": STATE["phase_U"][..., :2]}, "'phase_U' must have"),
    ({"phase_S": STATE["phase_S"] * math.nan}, "'phase_S' has entries that are not finite"),
    ({"phase_S": STATE["phase_S"].to(torch.complex64)}, "'phase_S' must be a real tensor"),
    ({"phase_S": [0.0]}, "'phase_S' must be a real tensor"),
    ({"S_scale": STATE["S_scale"][:1]}, "'S_scale' must have"),
    ({"S_scale": STATE["S_scale"][0, 0, 0, 0]}, "must be a grid of blocks"),
    ({"delta_list_V": 0.5 * STATE["delta_list_V"]}, r"must be \+1 or -1"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_broken_states_are_refused(changes, message):
    state = {key: value for key, value in (STATE | changes).items() if value is not None}
    with pytest.raises(ValueError, match=message):
        program_from_torchonn(state, 6, 6, mode="phase")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"algorithm": "francis"}, "not neighbours"),
        ({"algorithm": "clement"}, "`algorithm` must be one of clements, reck"),
        ({"mode": "voltage"}, "`mode` must be one of weight, usv, phase"),
        ({"out_features": 7}, r"needs \[3, 2\] blocks of 3 x 3, got \[2, 2\]"),
        ({"in_features": 0}, "`in_features` must be an integer >= 1"),
    ],
)
def test_wrong_requests_are_refused(arguments, message):
    wanted = {"out_features": 6, "in_features": 6, "mode": "phase"} | arguments
    with pytest.raises(ValueError, match=message):
        program_from_torchonn(STATE, **wanted)


def test_oblong_tiles_and_other_biases_are_refused():
    with pytest.raises(ValueError, match=r"square blocks of 2 x 2 or more.* 3 x 5"):
        torchonn_from_program(map_linear(random_normal(1, 3, 5), tile="full"))
    with pytest.raises(ValueError, match=r"`bias` must have shape \(4,\), got \(3,\)"):
        torchonn_from_program(map_linear(random_normal(1, 4, 4), tile=4), torch.zeros(3))


def test_the_rotation_is_one_interferometer_of_ours():
    """R(p) = exp(i p) M(pi - 2 p, -pi): the identity behind the table of conventions."""
    p = torch.tensor([0.3], dtype=torch.float64)
    state = {"phase_U": p, "delta_list_U": torch.ones(2), "phase_S": torch.zeros(2)}
    state |= {"phase_V": 0 * p, "delta_list_V": torch.ones(2), "S_scale": torch.ones(1)}
    state = {key: value.double().expand(1, 1, -1).clone() for key, value in state.items()}
    state = {key: value[None, None] for key, value in state.items()}
    program = program_from_torchonn(state, 2, 2, mode="phase")
    u = transfer_matrix(program.u_layout, program.u.theta, program.u.phi, program.u.output_phase)
    cos, sin = math.cos(0.3), math.sin(0.3)
    expected = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.complex128)
    assert_close(u[0, 0], expected, PEER_ANGLE_EPS)
    assert program.u.theta.item() == pytest.approx(math.pi - 0.6)


@both_algorithms
def test_a_file_holds_all_layers(algorithm, tmp_path):
    programs = [map_linear(random_normal(k, 6, 7), tile=3, name=f"fc{k}") for k in range(2)]
    bias = random_normal(5, 6)
    folder = write_folder(torchonn_files(programs, {"fc1": bias}, algorithm), tmp_path / "out")
    path = folder / "torchonn.safetensors"
    state = load_file(path)
    for program in programs:
        prefix = f"{program.name}."
        for mode in ("usv", "phase"):
            found = program_from_torchonn(
                state, 6, 7, mode=mode, algorithm=algorithm, prefix=prefix
            ).weight()
            assert relative_error(found, program.weight()) < TORCHONN_F32
    assert_close(state["fc1.bias"], bias.float(), PEER_ANGLE_EPS)
    assert "fc0.bias" not in state
    with safe_open(path, "pt") as file:
        layers = json.loads(file.metadata()["layers"])
    assert layers[1] == {
        "name": "fc1",
        "in_features": 7,
        "out_features": 6,
        "bias": True,
        "miniblock": 3,
        "decompose_alg": algorithm,
    }
