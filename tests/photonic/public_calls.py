"""A valid call of everything public, and what each kind of argument must refuse or take alike."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import photonic
from photonic import MeshLayout, MeshPhases
from tests.photonic.matrices import haar, random_normal

CLEMENTS = MeshLayout.clements(4)
BUTTERFLY = MeshLayout.butterfly(4)
IDEAL = photonic.load_hardware("ideal")
NOISY = IDEAL.replace(phase_noise_rad=0.01)
PROGRAM = photonic.map_linear(random_normal(0, 5, 7), tile=4, name="layer")
NAN, INF = float("nan"), float("inf")
HALF = torch.float16


def phases(size: int) -> torch.Tensor:
    return torch.linspace(0.1, 1.0, size, dtype=torch.float64)


SETTINGS = {"theta": phases(6), "phi": phases(6), "output_phase": phases(4)}
ERRORS = {
    "coupler_error": torch.full((6, 2), 0.1, dtype=torch.float64),
    "insertion_loss_db": torch.full((6,), 0.2, dtype=torch.float64),
    "arm_loss_db": torch.full((6, 3, 2), 0.1, dtype=torch.float64),
}
STUCK = torch.full((16,), NAN, dtype=torch.float64)

NOT_NUMBERS = ["1", None, True, NAN, INF, 1j, [1.0], object()]
NOT_INTEGERS = ["1", None, True, 1.5, NAN, 1j, [1], np.float64(1.0)]
NOT_REAL = ["x", [["x"]], True, torch.ones(6, dtype=torch.bool), 1j * phases(6), {}]

BAD: dict[str, Callable[[Any], list[Any]]] = {
    "count": lambda good: [*NOT_INTEGERS, 0, -1],
    "integer": lambda good: NOT_INTEGERS,
    "positive": lambda good: [*NOT_NUMBERS, 0.0, -0.1],
    "std": lambda good: [*NOT_NUMBERS, -0.1],
    "share": lambda good: [*NOT_NUMBERS, -0.1, 1.1],
    "time": lambda good: [*NOT_NUMBERS, -1.0, 1e300],
    "real": lambda good: [
        *NOT_REAL,
        None,
        good[..., :-1],
        good[..., 0].sum(),
        good.to(torch.complex128),
        good.long(),
    ],
    "theta": lambda good: [
        *BAD["real"](good),
        good.to(HALF),
        good.bfloat16(),
        torch.empty(0, dtype=torch.float64),
    ],
    "angles": lambda good: [*NOT_REAL, None, good.long(), good.to(torch.complex128)],
    "loss": lambda good: [*[x for x in BAD["real"](good) if x is not None], good - 1.0],
    "error": lambda good: [x for x in BAD["real"](good) if x is not None],
    "noise": lambda good: [
        "x",
        None,
        True,
        1j,
        -0.1,
        -phases(16),
        phases(3),
        phases(16).to(torch.complex128),
    ],
    "weight_noise": lambda good: ["x", None, True, 1j, -0.1, phases(3), {"U": 0.1}],
    "fields": lambda good: ["x", None, True, good[..., :-1], good[0], good > 0, {}],
    "unitary": lambda good: [
        "x",
        None,
        NAN * good,
        good[:-1],
        good[0],
        2 * good,
        good[None, None, :, :3],
        [["x"]],
        {},
    ],
    "matrix": lambda good: [
        "x",
        None,
        good[0],
        good[:, :-1],
        good > 0 if good.isreal().all() else (good.real > 0),
        {},
    ],
    "weight": lambda good: [
        "x",
        None,
        True,
        good[0],
        good[:0],
        NAN * good,
        1j * good,
        good > 0,
        [["x"]],
        {},
    ],
    "layout": lambda good: ["clements", None, 4],
    "kind": lambda good: ["nope", None, 4, ""],
    "tile": lambda good: ["nope", 0, -1, 1.5, True, NAN, "4", np.float64(4)],
    "text": lambda good: [None, 3, b"x"],
    "choice": lambda good: ["nope", 3, True],
    "dtype": lambda good: ["float64", None, 3, torch.int64, torch.complex64, HALF],
    "loose_dtype": lambda good: ["float64", 3, torch.int64, torch.complex64, torch.bool],
    "generator": lambda good: [None, 3, "x", torch.Generator()],
    "torch_generator": lambda good: [3, "x", np.random.default_rng(0)],
    "program": lambda good: [None, 3, "x", random_normal(0, 5, 7)],
    "programs": lambda good: [3, [3], ["x"], None],
    "chip": lambda good: [None, 3, "ideal", IDEAL],
    "hardware": lambda good: [None, 3, {}, random_normal(0, 2, 2)],
    "phases": lambda good: [None, 3, (phases(6), phases(6), phases(4)), {}],
    "switch": lambda good: [],
    "free": lambda good: [],
}
"""What must be refused, by kind of argument."""


def same_numbers(good: Any) -> list[Any]:
    return [np.int64(good), np.int32(good)]


def same_reals(good: Any) -> list[Any]:
    return [np.float64(good), torch.tensor(good, dtype=torch.float64)]


def same_tensors(good: torch.Tensor) -> list[Any]:
    strided = torch.stack((good, good), -1)[..., 0]
    read_only = good.numpy().copy()
    read_only.flags.writeable = False
    reversed_ = good.numpy()[..., ::-1].copy()[..., ::-1]
    return [
        strided,
        read_only,
        reversed_,
        good.numpy().astype(good.numpy().dtype.newbyteorder()),
        good.tolist(),
        good.clone().requires_grad_(),
    ]


ALIKE: dict[str, Callable[[Any], list[Any]]] = {
    "count": same_numbers,
    "integer": same_numbers,
    "tile": same_numbers,
    "positive": same_reals,
    "std": same_reals,
    "share": same_reals,
    "time": same_reals,
    **dict.fromkeys(
        ["real", "theta", "angles", "loss", "error", "fields", "unitary", "weight", "matrix"],
        same_tensors,
    ),
}
"""Other forms of a valid value, by kind; the result is the same."""


@dataclass(frozen=True)
class Call:
    """A valid call, and the kind of each of its arguments."""

    function: Callable[..., Any]
    arguments: dict[str, tuple[str, Any]]
    form: str = field(default="", compare=False)

    def __call__(self, **changed: Any) -> Any:
        values = {name: value for name, (_, value) in self.arguments.items()} | changed
        places = [values.pop("*batch")] if "*batch" in values else []
        if places:
            return self.function(values.pop("layout"), *places, **values)
        return self.function(**values)


def settings(**more: tuple[str, Any]) -> dict[str, tuple[str, Any]]:
    return {
        "layout": ("layout", CLEMENTS),
        "theta": ("theta", SETTINGS["theta"]),
        "phi": ("real", SETTINGS["phi"]),
        "output_phase": ("real", SETTINGS["output_phase"]),
    } | more


LOSSES = {
    "coupler_error": ("error", ERRORS["coupler_error"]),
    "insertion_loss_db": ("loss", ERRORS["insertion_loss_db"]),
    "arm_loss_db": ("loss", ERRORS["arm_loss_db"]),
}
LIGHT = {**LOSSES, "stuck_phase": ("error", STUCK), "backend": ("choice", None)}
PAIR = {"target": ("matrix", haar(4, 0)), "realised": ("matrix", haar(4, 1))}
MODES = ("count", 4)

TABLE: dict[str, Call] = {
    "Chip": Call(
        photonic.Chip,
        {
            "hardware": ("hardware", NOISY),
            "seed": ("integer", 1),
            "index": ("integer", 2),
            "time_s": ("time", 3.0),
        },
    ),
    "Chip.at": Call(photonic.Chip(NOISY).at, {"time_s": ("time", 3.0)}),
    "MeshLayout": Call(MeshLayout, {"kind": ("kind", "reck"), "num_modes": MODES}),
    "MeshLayout.rectangular": Call(
        MeshLayout.rectangular, {"num_modes": MODES, "depth": ("integer", 3)}
    ),
    "MeshPhases": Call(
        MeshPhases,
        {name: ("stored", part) for name, part in SETTINGS.items()},
    ),
    "PhotonicLinear": Call(
        photonic.PhotonicLinear,
        {
            "in_features": ("count", 5),
            "out_features": ("count", 3),
            "parameterisation": ("choice", "usv"),
            "layout": ("kind", "clements"),
            "tile": ("tile", 4),
            "generator": ("torch_generator", None),
            "dtype": ("loose_dtype", torch.float64),
        },
    ),
    "photonic_linear": Call(
        lambda **options: photonic.photonic_linear(**options)(5, 3),
        {
            "parameterisation": ("choice", "phases"),
            "layout": ("kind", "clements"),
            "tile": ("tile", 4),
            "generator": ("torch_generator", None),
            "dtype": ("loose_dtype", torch.float64),
        },
    ),
    "amplitude_fidelity": Call(photonic.amplitude_fidelity, PAIR),
    "normalised_fidelity": Call(photonic.normalised_fidelity, PAIR),
    "trace_fidelity": Call(photonic.trace_fidelity, PAIR),
    "relative_error": Call(photonic.relative_error, PAIR),
    "matrix_distance": Call(photonic.matrix_distance, PAIR),
    "apply": Call(photonic.apply, settings(fields=("fields", random_normal(1, 3, 4)), **LIGHT)),
    "transfer_matrix": Call(photonic.transfer_matrix, settings(**LIGHT)),
    "mean_transfer_matrix": Call(
        photonic.mean_transfer_matrix, settings(phase_std=("noise", 0.1), **LOSSES)
    ),
    "expected_power": Call(photonic.expected_power, settings(phase_std=("noise", 0.1), **LOSSES)),
    "expected_square_deviation": Call(
        photonic.expected_square_deviation, settings(phase_std=("noise", 0.1), **LOSSES)
    ),
    "coupler": Call(photonic.coupler, {"angle": ("angles", phases(6))}),
    "mzi_block": Call(
        photonic.mzi_block,
        {
            "theta": ("angles", phases(6)),
            "phi": ("angles", phases(6)),
            "coupler_error": ("error", ERRORS["coupler_error"]),
            "arm_loss_db": ("loss", ERRORS["arm_loss_db"]),
        },
    ),
    "db_to_amplitude": Call(photonic.db_to_amplitude, {"loss_db": ("angles", phases(6))}),
    "db_to_power": Call(photonic.db_to_power, {"loss_db": ("angles", phases(6))}),
    "wrap_phase": Call(photonic.wrap_phase, {"phase": ("angles", phases(6))}),
    "decompose": Call(
        photonic.decompose,
        {
            "unitary": ("unitary", haar(4, 0)),
            "layout": ("layout", CLEMENTS),
            "tolerance": ("std", 1e-6),
            "project": ("switch", False),
        },
    ),
    "fit_unitary": Call(
        photonic.fit_unitary,
        {
            "unitary": ("unitary", haar(4, 0)),
            "layout": ("layout", BUTTERFLY),
            "tolerance": ("std", 1e-6),
            "restarts": ("count", 1),
            "max_evaluations": ("count", 3),
            "seed": ("integer", 0),
            "project": ("switch", False),
        },
    ),
    "fold_phases": Call(
        photonic.fold_phases,
        {"layout": ("layout", CLEMENTS), "phases": ("phases", MeshPhases(**SETTINGS))},
    ),
    "haar_phases": Call(
        lambda **given: photonic.haar_phases(
            given["layout"], given["batch"], generator=given["generator"]
        ),
        {
            "layout": ("layout", CLEMENTS),
            "batch": ("batch", 2),
            "generator": ("generator", None),
        },
    ),
    "haar_ranks": Call(photonic.haar_ranks, {"layout": ("layout", CLEMENTS)}),
    "haar_theta_cdf": Call(
        photonic.haar_theta_cdf,
        {"layout": ("layout", CLEMENTS), "theta": ("within", SETTINGS["theta"])},
    ),
    "haar_theta_mean": Call(photonic.haar_theta_mean, {"layout": ("layout", CLEMENTS)}),
    "haar_theta_std": Call(photonic.haar_theta_std, {"layout": ("layout", CLEMENTS)}),
    "expected_corrected_error": Call(
        photonic.expected_corrected_error, {"num_modes": MODES, "coupler_std": ("std", 0.1)}
    ),
    "expected_drift_fidelity": Call(
        photonic.expected_drift_fidelity,
        {"num_modes": MODES, "rate_rad2_per_s": ("std", 0.1), "time_s": ("std", 2.0)},
    ),
    "expected_layer_error": Call(
        photonic.expected_layer_error, {"num_modes": MODES, "phase_std": ("std", 0.1)}
    ),
    "expected_relative_error": Call(
        photonic.expected_relative_error,
        {"num_modes": MODES, "phase_std": ("std", 0.1), "coupler_std": ("std", 0.1)},
    ),
    "expected_relative_error_givens": Call(
        photonic.expected_relative_error_givens, {"num_modes": MODES, "phase_std": ("std", 0.1)}
    ),
    "expected_trace_fidelity": Call(
        photonic.expected_trace_fidelity,
        {"num_modes": MODES, "phase_std": ("std", 0.1), "coupler_std": ("std", 0.1)},
    ),
    "quantisation_phase_std": Call(
        photonic.quantisation_phase_std,
        {"bits": ("count", 8), "full_scale": ("positive", 2 * math.pi)},
    ),
    "expected_weight_error": Call(
        photonic.expected_weight_error,
        {
            "program": ("program", PROGRAM),
            "phase_std": ("weight_noise", 0.1),
            "dtype": ("dtype", torch.float64),
        },
    ),
    "layer_sensitivity": Call(
        photonic.layer_sensitivity, {"program": ("program", PROGRAM), "phase_std": ("std", 0.1)}
    ),
    "network_sensitivity": Call(
        photonic.network_sensitivity,
        {"programs": ("programs", [PROGRAM]), "phase_std": ("std", 0.1)},
    ),
    "load_hardware": Call(photonic.load_hardware, {"name_or_path": ("preset", "ideal")}),
    "map_linear": Call(
        photonic.map_linear,
        {
            "weight": ("weight", random_normal(0, 5, 7)),
            "layout": ("kind", "clements"),
            "tile": ("tile", 4),
            "name": ("text", "layer"),
            "order": ("choice", "descending"),
        },
    ),
    "realise": Call(
        photonic.realise,
        {
            "program": ("program", PROGRAM),
            "chip": ("chip", photonic.Chip(NOISY)),
            "shot": ("integer", 1),
            "dtype": ("dtype", torch.float64),
        },
    ),
    "realise_all": Call(
        photonic.realise_all,
        {
            "programs": ("programs", [PROGRAM]),
            "chip": ("chip", photonic.Chip(NOISY)),
            "shot": ("integer", 1),
            "dtype": ("dtype", torch.float64),
        },
    ),
}
RESULTS = {"Fit", "HardwareConfig", "MeshColumn", "Program", "Sensitivity"}
"""Classes that calls return; the fields of ``HardwareConfig`` are below."""

BAD |= {
    "stored": lambda good: [None, 3, "x", good.float(), good.numpy(), good.to(torch.complex128)],
    "within": lambda good: [
        "x",
        None,
        good[:-1],
        -good,
        good + 4,
        NAN * good,
        1j * good,
        good > 0,
        {},
    ],
    "batch": lambda good: [-1, 1.5, "2", True],
    "preset": lambda good: ["nope", None, 3, "", "nope.yaml", IDEAL],
}
ALIKE |= {"within": same_tensors, "batch": same_numbers}
