"""The simulated bench: what it shows is the chip, what it hides stays hidden, and its counts."""

import ast
import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from photonic.calibration.characterisation import characterise
from photonic.calibration.identity import IdentityDescent, calibrate_identity
from photonic.calibration.simulated_bench import SimulatedBench
from photonic.calibration.tile_batch import TileBatch
from photonic.chip import Chip
from photonic.driven import electronic_gain
from photonic.hardware import HardwareConfig, load_hardware
from photonic.mapping import map_linear
from photonic.mesh_errors import MeshErrors
from photonic.mesh_state import MESHES, nominal_commands
from photonic.program import Program
from photonic.realisation import layer_errors, realise
from tests.photonic.matrices import random_normal
from tests.tolerances import IDEAL_CHIP_F32, IDEAL_CHIP_F64, STANDARD_ERRORS

IDEAL = load_hardware("ideal")
UNCALIBRATED = {"is_bias_calibrated": False, "bias_range_rad": 1.0, "gamma_spread": 0.012}
EVERYTHING = load_hardware("soi_typical").replace(
    **UNCALIBRATED,
    stuck_probability=0.02,
    dead_probability=0.02,
    arm_loss_db=0.1,
    arm_loss_std_db=0.02,
    edge_loss_db=0.3,
    attenuator_noise_rad=0.01,
)
CHIPS = [IDEAL, EVERYTHING, load_hardware("soi_lab_good").replace(**UNCALIBRATED)]


def layer(tile: int | str = 4, kind: str = "clements", name: str = "layer") -> Program:
    return map_linear(random_normal(0, 12, 8), kind, tile, name)


def bench_of(
    program: Program, hardware: HardwareConfig, read_noise: float = 0.0, **options: Any
) -> SimulatedBench:
    """A bench at the nominal commands of its program, before any count."""
    bench = SimulatedBench(program, Chip(hardware, 3, 1), read_noise, **options)
    for mesh, command in nominal_commands(program, hardware).phases.items():
        bench.set_phases(mesh, command)
    bench.num_settings = 0
    return bench


def vectors(program: Program, num_vectors: int = 3) -> Tensor:
    size = (*program.grid_shape, num_vectors, program.tile_shape[1])
    return random_normal(1, *size, dtype=torch.complex128)


def eye(size: int) -> Tensor:
    return torch.eye(size, dtype=torch.complex128)


def assert_near(actual: Tensor, expected: Tensor, bound: float = IDEAL_CHIP_F64) -> None:
    error = ((actual - expected).norm() / expected.norm()).item()
    assert error <= bound, f"relative error {error:.1e} exceeds {bound:.1e}"


@pytest.mark.parametrize("kind", ["clements", "reck"])
@pytest.mark.parametrize("tile", [4, "full"])
@pytest.mark.parametrize("hardware", CHIPS, ids=lambda hardware: hardware.name)
def test_fields_are_the_weights_of_the_chip(hardware, tile, kind):
    """The columns of the unit matrix, put together, are what the chip realises."""
    program = layer(tile, kind)
    tiles = bench_of(program, hardware).fields(eye(program.tile_shape[1])).mT
    weight = program.join_tiles(tiles) * electronic_gain(program, hardware)
    assert_near(weight, realise(program, Chip(hardware, 3, 1)))


@pytest.mark.parametrize("tile", [4, "full"])
def test_powers_are_both_quadratures(tile):
    """|z|^2 = Re(z)^2 + Re(-i z)^2 for inputs of any phase."""
    program = layer(tile)
    bench, inputs = bench_of(program, EVERYTHING), vectors(program)
    quadratures = bench.fields(inputs).square() + bench.fields(-1j * inputs).square()
    assert_near(bench.powers(inputs), quadratures)


@pytest.mark.parametrize("tile", [4, "full"])
def test_light_meets_in_the_attenuators(tile):
    """g^T U diag(sigma) V x from both sides is g^T y; without errors sigma is the attenuation."""
    program = layer(tile)
    bench, inputs = bench_of(program, IDEAL), vectors(program)
    outputs = random_normal(2, *program.grid_shape, 3, program.tile_shape[0])
    met = bench.backward_fields(outputs + 0j) * program.attenuation[..., None, :]
    met = (met * bench.inner_fields(inputs)).sum(-1).real
    assert_near(met, (outputs * bench.fields(inputs)).sum(-1))


@pytest.mark.parametrize("tile", [4, "full"])
@pytest.mark.parametrize("hardware", CHIPS, ids=lambda hardware: hardware.name)
def test_trials_are_settings_one_after_the_other(hardware, tile):
    """For the first, the last and a middle shifter of each mesh; the bench is left as it was."""
    program = layer(tile)
    bench, inputs = bench_of(program, hardware), vectors(program)
    before = bench.fields(inputs)
    for mesh, command in nominal_commands(program, hardware).phases.items():
        for shifter in {0, command.shape[-1] // 2, command.shape[-1] - 1}:
            trials = 6 * torch.rand(2, *program.grid_shape, dtype=torch.float64)
            fields = bench.trial_fields(mesh, shifter, trials, inputs)
            powers = bench.trial_powers(mesh, shifter, trials, inputs)
            for trial, field, power in zip(trials, fields, powers, strict=True):
                bench.set_shifter(mesh, shifter, trial)
                assert_near(field, bench.fields(inputs))
                assert_near(power, bench.powers(inputs))
            bench.set_shifter(mesh, shifter, command[..., shifter])
    assert_near(bench.fields(inputs), before)


def test_a_shifter_is_set_as_all_shifters_are():
    """One shifter after the other, or all at once: the heat of every one has arrived."""
    program = layer()
    one, all_at_once = (bench_of(program, EVERYTHING) for _ in range(2))
    command = 6 * random_normal(3, *program.grid_shape, 16).sigmoid()
    all_at_once.set_phases("U", command)
    for shifter in range(16):
        one.set_shifter("U", shifter, command[..., shifter])
    assert_near(one.fields(eye(4)), all_at_once.fields(eye(4)))


def test_commands_are_0_until_they_are_set():
    program = layer()
    fresh, zero = (SimulatedBench(program, Chip(EVERYTHING), 0.0) for _ in range(2))
    for mesh, command in nominal_commands(program, EVERYTHING).phases.items():
        zero.set_phases(mesh, torch.zeros_like(command))
    assert torch.equal(fresh.fields(eye(4)), zero.fields(eye(4)))
    assert not torch.equal(fresh.fields(eye(4)), bench_of(program, EVERYTHING).fields(eye(4)))


def test_single_precision_is_near():
    program = layer()
    exact, fast = (
        bench_of(program, EVERYTHING, dtype=dtype) for dtype in (torch.float64, torch.float32)
    )
    inputs = vectors(program)
    assert fast.powers(inputs).dtype == torch.float64
    assert_near(fast.powers(inputs), exact.powers(inputs), IDEAL_CHIP_F32)


def test_tiles_of_several_layers_have_the_errors_of_their_layers():
    layers = [layer(name="a"), layer(kind="clements", name="b")]
    batch = TileBatch.of(layers)
    together = bench_of(batch.program, EVERYTHING, layers=layers).fields(eye(4))
    apart = [bench_of(one, EVERYTHING).fields(eye(4)).flatten(0, 1) for one in layers]
    assert_near(together[:, 0], torch.cat(apart))
    with pytest.raises(ValueError, match="must hold the tiles of `layers`"):
        SimulatedBench(batch.program, Chip(EVERYTHING), layers=layers[:1])


def test_phase_noise_from_shot_to_shot_is_averaged():
    program, inputs = layer(), eye(4)
    noisy = bench_of(program, EVERYTHING.replace(shot_phase_noise_rad=0.1)).fields(inputs)
    assert torch.equal(noisy, bench_of(program, EVERYTHING).fields(inputs))


@pytest.mark.parametrize("reading", ["fields", "powers", "inner_fields", "backward_fields"])
def test_readings_have_the_noise_that_was_asked_for(reading):
    """Twice the same reading: the difference has sqrt(2) times the std, in each quadrature."""
    program, std = layer(), 1e-3
    bench, inputs = bench_of(program, IDEAL, std), vectors(program, 50)
    read = getattr(bench, reading)
    first, second = read(inputs), read(inputs)
    difference = first - second
    if difference.is_complex():
        difference = torch.view_as_real(difference)
    measured = difference.std().item() / (2**0.5 * std)
    assert abs(measured - 1) <= STANDARD_ERRORS / (2 * difference.numel()) ** 0.5
    again = bench_of(program, IDEAL, std)
    assert torch.equal(getattr(again, reading)(inputs), first)
    other = SimulatedBench(program, Chip(IDEAL, 4, 1), std)
    assert not torch.equal(getattr(other, reading)(inputs), first)


def test_settings_and_reads_are_counted():
    program = layer()
    bench = bench_of(program, IDEAL)
    command = torch.zeros(3, *program.grid_shape, dtype=torch.float64)
    calls = [
        (lambda: bench.set_phases("U", torch.zeros(3, 2, 16, dtype=torch.float64)), (1, 0)),
        (lambda: bench.set_shifter("V", 2, command[0]), (1, 0)),
        (lambda: bench.fields(eye(4)), (0, 4)),
        (lambda: bench.powers(vectors(program)), (0, 3)),
        (lambda: bench.trial_fields("U", 0, command, eye(4)), (3, 12)),
        (lambda: bench.trial_powers("sigma", 0, command, vectors(program)), (3, 9)),
        (lambda: bench.inner_fields(eye(4)), (0, 4)),
        (lambda: bench.backward_fields(vectors(program)), (0, 3)),
        (lambda: bench.coupler_errors("U", 0.0), (0, 0)),
    ]
    for call, (settings, reads) in calls:
        before = bench.num_settings, bench.num_reads
        call()
        assert (bench.num_settings, bench.num_reads) == (before[0] + settings, before[1] + reads)


def test_couplers_are_measured_with_their_error():
    program, chip, std = layer(), Chip(EVERYTHING, 3, 1), 2e-3
    bench = bench_of(program, EVERYTHING)
    for mesh in MESHES:
        true = layer_errors(program, chip)[mesh].coupler_error
        assert torch.equal(bench.coupler_errors(mesh, 0.0), true)
        one, two = (bench.coupler_errors(mesh, std) - true for _ in range(2))
        assert not torch.isclose(one, two, rtol=0, atol=0).any()
        error = torch.stack((one, two))
        assert abs(error.std().item() / std - 1) <= STANDARD_ERRORS / (2 * error.numel()) ** 0.5
    perfect = bench_of(program, IDEAL).coupler_errors("sigma", 0.0)
    assert torch.equal(perfect, torch.zeros(3, 2, 4, 2, dtype=torch.float64))


def test_commands_of_a_wrong_shape_are_refused():
    bench = bench_of(layer(), IDEAL)
    with pytest.raises(ValueError, match=r"`command` must have shape \(3, 2, 16\), got \(3, 2, 15"):
        bench.set_phases("U", torch.zeros(3, 2, 15, dtype=torch.float64))


def test_readings_carry_no_derivative():
    """An instrument gives numbers: what was commanded leaves no graph."""
    program = layer()
    bench = bench_of(program, EVERYTHING)
    bench.set_phases("U", torch.zeros(3, 2, 16, dtype=torch.float64, requires_grad=True))
    assert not bench.fields(eye(4).requires_grad_()).requires_grad


# The proof that a calibration cannot reach the true errors.

_HIDDEN = {
    "photonic": set(),
    "photonic.chip": set(),
    "photonic.drift": set(),
    "photonic.impairments": {"crosstalk", "quantisation"},
    "photonic.mesh_errors": set(),
    "photonic.phase_chain": set(),
    "photonic.driven": {"electronic_gain"},
    "photonic.realisation": set(),
    "photonic.calibration.simulated_bench": set(),
}
"""Packages and modules that know errors of chips, and what of them any controller knows too."""
_CALIBRATION = Path(__file__).parents[2] / "photonic" / "calibration"


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of all imports of a file; the name is empty for a plain import."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name} has a relative import"
            yield from ((node.module, alias.name) for alias in node.names)


def hides(module: str, name: str) -> bool:
    """True if an import leads to what a calibration must not see."""
    if module in _HIDDEN:
        return name not in _HIDDEN[module]
    parent, _, last = module.rpartition(".")
    if parent in _HIDDEN and parent != "photonic":
        return last not in _HIDDEN[parent]
    return f"{module}.{name}" in _HIDDEN


@pytest.mark.parametrize("path", sorted(_CALIBRATION.glob("*.py")), ids=lambda path: path.stem)
def test_no_calibration_imports_the_errors_of_a_chip(path):
    source = path.read_text()
    assert "__closure__" not in source
    assert "importlib" not in source and "__import__" not in source
    reached = [f"{module} {name}" for module, name in imports(path) if hides(module, name)]
    if path.stem == "simulated_bench":
        assert reached, "the simulated bench must be found out, or the test proves nothing"
    else:
        assert not reached, f"{path.name} imports {', '.join(reached)}"


def test_no_attribute_of_a_bench_leads_to_its_errors():
    """Neither public nor private, at any depth below the layer and the data sheet."""
    bench = bench_of(layer(), EVERYTHING)
    found, seen = [vars(bench)], set()
    while found:
        value = found.pop()
        assert not isinstance(value, Chip | MeshErrors | torch.Generator)
        if isinstance(value, Program | HardwareConfig) or id(value) in seen:
            continue
        seen.add(id(value))
        assert not isinstance(value, Tensor), "a tensor beside those of the program"
        if isinstance(value, dict):
            found += value.values()
        elif hasattr(value, "__dict__"):
            found.append(vars(value))


class RemoteBench:
    """A bench behind a pipe: only names of requests, their arguments and readings cross."""

    def __init__(self, program: Program, hardware: HardwareConfig, pipe: Connection) -> None:
        self.program, self.hardware, self._pipe = program, hardware, pipe

    def __getattr__(self, name: str) -> Any:
        if name.startswith("num_"):
            return self._ask(name)
        return lambda *arguments: self._ask(name, *arguments)

    def _ask(self, *request: Any) -> Any:
        self._pipe.send(request)
        return self._pipe.recv()


def serve(program: Program, chip: Chip, pipe: Connection) -> None:
    """A laboratory: answers requests until it is asked to end."""
    torch.set_num_threads(1)
    bench = SimulatedBench(program, chip)
    while (request := pipe.recv()) is not None:
        name, *arguments = request
        member = getattr(bench, name)
        pipe.send(member(*arguments) if callable(member) else member)


def results(bench: Any) -> list[Tensor]:
    """What a characterisation and an identity calibration find, and their costs."""
    found = characterise(bench, num_commands=6, max_passes=1)
    identity = calibrate_identity(bench, IdentityDescent(num_epochs=2))
    costs = [found.num_settings, found.num_reads, identity.num_settings, identity.num_reads]
    states = (found.gamma, found.bias, identity.commands)
    return [torch.tensor(costs), *(state[mesh] for state in states for mesh in MESHES)]


def test_a_bench_in_another_process_gives_the_same_bits():
    """The chip exists in the other process alone, and the calibrations find the same."""
    program, chip = map_linear(random_normal(0, 6, 3), "clements", 3, "layer"), Chip(EVERYTHING, 5)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(program, chip, there))
    process.start()
    try:
        remote = results(RemoteBench(program, EVERYTHING, here))
    finally:
        here.send(None)
        process.join(timeout=60)
    assert process.exitcode == 0
    local = results(SimulatedBench(program, chip))
    assert all(torch.equal(one, two) for one, two in zip(remote, local, strict=True))
    other = results(SimulatedBench(program, Chip(EVERYTHING, 6)))
    assert not torch.equal(local[1], other[1])
