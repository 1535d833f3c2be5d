"""Random walk, Ornstein-Uhlenbeck and 1/f drift of a chip: laws, spectrum, common part, bits."""

import math

import numpy as np
import pytest

from photonic import HardwareConfig
from photonic.drift import HORIZON_S, OrnsteinUhlenbeck, RandomWalk, drift_path, phase_drift
from photonic.drift.flicker import flicker_laws
from tests.photonic.drifting import FLICKER, HOUR, LAB, WALK, drifting
from tests.tolerances import CLOSED_FORM_F64, FLICKER_SPECTRUM, STANDARD_ERRORS

COUNT = 20_000
NUM_CHIPS = 2_000
TIMES = (1.0, 10.0, HOUR, 5 * HOUR, 72 * HOUR, HORIZON_S)


def shifters(hardware: HardwareConfig, time_s: float, chip: int = 0, mesh: str = "U") -> np.ndarray:
    return phase_drift(hardware, 0, chip, mesh, (), COUNT, time_s)


def over_chips(hardware: HardwareConfig, mesh: str, time_s: float = HORIZON_S) -> np.ndarray:
    """(NUM_CHIPS, 2) drift of two shifters; the horizon is the quickest time to draw."""
    return np.array(
        [phase_drift(hardware, 0, chip, mesh, (), 2, time_s) for chip in range(NUM_CHIPS)]
    )


def flicker_variance(time_s: float) -> float:
    taus = (10.0, 100.0, 1e3, 1e4, 1e5)
    return 4e-6 * sum(-math.expm1(-2 * time_s / tau) for tau in taus)


VARIANCES = {
    "random walk": (WALK, lambda t: 1e-4 * t / HOUR),
    "Ornstein-Uhlenbeck": (LAB, lambda t: -1e-6 * math.expm1(-2 * t / 600)),
    "1/f": (FLICKER, flicker_variance),
    "all": (
        {**WALK, **LAB, **FLICKER},
        lambda t: 1e-4 * t / HOUR - 1e-6 * math.expm1(-2 * t / 600) + flicker_variance(t),
    ),
}


@pytest.mark.parametrize("name", VARIANCES)
@pytest.mark.parametrize("time_s", TIMES)
def test_variance_follows_the_law_in_time(name: str, time_s: float) -> None:
    figures, variance = VARIANCES[name]
    ratio = np.mean(shifters(drifting(**figures), time_s) ** 2) / variance(time_s)
    error = abs(ratio - 1) / math.sqrt(2 / COUNT)
    assert error < STANDARD_ERRORS, f"{error:.1f} standard errors at {time_s:g} s"


@pytest.mark.parametrize("dt", [60.0, 600.0, 1800.0])
def test_stationary_drift_forgets_exponentially(dt: float) -> None:
    start = 40 * 600.0
    first, second = (shifters(drifting(**LAB), time) for time in (start, start + dt))
    expected = math.exp(-dt / 600)
    error = abs(np.corrcoef(first, second)[0, 1] - expected)
    error /= (1 - expected**2) / math.sqrt(COUNT)
    assert error < STANDARD_ERRORS, f"{error:.1f} standard errors"


@pytest.mark.parametrize("ends", [(1.0, 1e3), (10.0, 1e6), (0.5, 5e4)])
def test_spectrum_of_the_sum_is_one_over_frequency(ends: tuple[float, float]) -> None:
    sigma = 2e-3
    omega = np.geomspace(1 / ends[1], 1 / ends[0], 500)
    tau = np.array([law.time_constant_s for law in flicker_laws(sigma, *ends)])[:, None]
    spectrum = (4 * sigma**2 * tau / (1 + (omega * tau) ** 2)).sum(axis=0)
    error = abs(spectrum * omega / (4 * sigma**2 * math.pi / 2 / math.log(10)) - 1).max()
    assert error < FLICKER_SPECTRUM, f"off 1/omega by {error:.3f}"


def test_correlation_times_reach_both_ends() -> None:
    laws = flicker_laws(1e-3, 2.0, 3e4)
    taus = [law.time_constant_s for law in laws]
    np.testing.assert_allclose((taus[0], taus[-1]), (2.0, 3e4), rtol=CLOSED_FORM_F64)
    assert len(taus) == 5
    assert {law.sigma for law in laws} == {1e-3}
    assert [law.time_constant_s for law in flicker_laws(1e-3, 7.0, 7.0)] == [7.0]


def test_correlation_times_in_the_wrong_order_raise() -> None:
    with pytest.raises(ValueError, match=r"`flicker_tau_min_s` must be at most .*, got 10 and 9"):
        flicker_laws(1e-3, 10.0, 9.0)


@pytest.mark.parametrize("figures", [WALK, LAB, FLICKER], ids=["walk", "lab", "flicker"])
@pytest.mark.parametrize("fraction", [0.25, 1.0])
def test_common_fraction_is_the_covariance_of_any_two_shifters(
    figures: dict[str, float], fraction: float
) -> None:
    hardware = drifting(**figures, common_drift_fraction=fraction)
    u, v = over_chips(hardware, "U"), over_chips(hardware, "V")
    together = np.concatenate([u, v], axis=1)
    measured = np.corrcoef(together.T)[np.triu_indices(4, 1)]
    error = abs(measured - fraction).max()
    error /= max((1 - fraction**2) / math.sqrt(NUM_CHIPS), CLOSED_FORM_F64)
    assert error < STANDARD_ERRORS, f"correlations {measured}"


def test_common_drift_keeps_the_variance() -> None:
    hardware = drifting(**WALK, common_drift_fraction=0.5)
    ratio = np.mean(over_chips(hardware, "U") ** 2, axis=0) / (1e-4 * HORIZON_S / HOUR)
    assert (abs(ratio - 1) / math.sqrt(2 / NUM_CHIPS) < STANDARD_ERRORS).all()


def test_own_parts_are_what_remains_of_the_variance() -> None:
    hardware = drifting(**WALK, common_drift_fraction=0.5)
    ratio = shifters(hardware, HOUR).var() / 0.5e-4
    assert abs(ratio - 1) / math.sqrt(2 / COUNT) < STANDARD_ERRORS


def test_fully_common_drift_is_one_number_for_all_meshes_of_a_chip() -> None:
    hardware = drifting(**WALK, **LAB, common_drift_fraction=1.0)
    u = phase_drift(hardware, 0, 3, "U", (2, 3), 5, HOUR)
    v = phase_drift(hardware, 0, 3, "V", (), 4, HOUR)
    assert u.shape == (2, 3, 5)
    assert len({*u.flat, *v.flat}) == 1
    assert not np.isin(v, phase_drift(hardware, 0, 4, "V", (), 4, HOUR)).any()
    assert not np.isin(v, phase_drift(hardware, 1, 3, "V", (), 4, HOUR)).any()


def test_draws_are_named_by_chip_mesh_and_process() -> None:
    """Paths of earlier versions: results that rest on them stay what they were."""
    shape, time_s, key = (2, 3, 20), 5 * HOUR, (7, 1, "layer/U", "drift")
    walk = drift_path(time_s, RandomWalk(1e-4 / HOUR), shape, *key, "random_walk")
    lab = drift_path(time_s, OrnsteinUhlenbeck(1e-3, 600.0), shape, *key, "ornstein_uhlenbeck")
    drawn = phase_drift(drifting(**WALK, **LAB), 7, 1, "layer/U", (2, 3), 20, time_s)
    assert np.array_equal(drawn, walk + lab)


def test_processes_and_meshes_have_draws_of_their_own() -> None:
    flicker = drifting(**FLICKER)
    limit = STANDARD_ERRORS / math.sqrt(COUNT)
    paths = [
        shifters(drifting(**WALK), HORIZON_S),
        shifters(drifting(**LAB), HORIZON_S),
        shifters(flicker, HORIZON_S),
        shifters(flicker, HORIZON_S, mesh="V"),
        shifters(flicker, HORIZON_S, chip=1),
    ]
    correlation = np.corrcoef(paths) - np.eye(len(paths))
    assert abs(correlation).max() < limit
