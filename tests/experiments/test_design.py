"""Search over designs: Pareto sets, costs and errors of designs, resuming, what is printed."""

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from experiments.commands.design import design as design_command
from experiments.console import console
from experiments.cost_table import (
    cost_notes,
    cost_rows,
    mapped_cost,
    print_cost,
    short,
    vectors_per_layer,
)
from experiments.design import DesignStudy, print_designs
from experiments.design_figures import draw_designs
from experiments.design_space import (
    Design,
    DesignResult,
    DesignSpace,
    objectives,
    pareto_designs,
    pareto_front,
)
from experiments.evaluation import HeldOut, chip_predictions, digital_predictions
from experiments.mapped import MappedModel, MappingSettings, map_model
from experiments.record import RunRecord
from models import CrystalModel
from photonic import Chip, load_hardware
from photonic.cost import NEEDED_FIELDS
from tests.tolerances import CLOSED_FORM_F64

SPACE = DesignSpace(("clements",), (8, 16), ("descending", "centred"))
STATED = {field: 1.0 for fields in NEEDED_FIELDS.values() for field in fields}
CHIP = load_hardware("soi_typical").replace(**STATED)
POINTS = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 4)),
    elements=st.integers(0, 4).map(float),
)


@pytest.fixture(scope="module")
def study(model: CrystalModel, held_out: HeldOut) -> DesignStudy:
    return DesignStudy(model, CHIP, held_out, SPACE, num_chips=2, seed=3)


@pytest.fixture(scope="module")
def finished(
    study: DesignStudy, record: RunRecord, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[DesignResult]]:
    return study.run(tmp_path_factory.mktemp("design") / "out", record)


def result(tile: int, deviation: float, power: float) -> DesignResult:
    design = Design(mesh="clements", tile=tile, order="descending")
    return DesignResult(design=design, deviation_rms=deviation, power_mw=power)


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


@given(points=POINTS)
def test_no_member_is_dominated_and_all_others_are(points):
    front = pareto_front(points)
    assert front.any()
    for index, point in enumerate(points):
        better = [other for other in points if dominates(other, point)]
        assert front[index] == (not better)


@given(points=POINTS)
def test_front_does_not_depend_on_order_or_scale(points):
    front = pareto_front(points)
    assert np.array_equal(pareto_front(points[::-1]), front[::-1])
    assert np.array_equal(pareto_front(np.exp(points)), front)


def test_pareto_set_leaves_out_what_fails():
    good, cheap, bad = result(4, 0.1, 9.0), result(8, 0.2, 1.0), result(16, 0.3, 2.0)
    failed = DesignResult(design=Design(mesh="reck", tile=4, order="descending"), problem="no")
    names = ("deviation_rms", "power_mw")
    assert pareto_designs([cheap, failed, bad, good], names) == (good, cheap)
    assert pareto_designs([failed], names) == ()


def test_objectives_are_the_known_figures():
    assert objectives(CHIP) == ("deviation_rms", "power_mw", "area_mm2", "latency_us")
    assert objectives(CHIP.replace(tia_power_mw=None))[1] == "heater_mw"
    assert "area_mm2" not in objectives(CHIP.replace(mzi_width_um=None))
    slow = CHIP.replace(program_time_us=None)
    assert "latency_us" in objectives(slow)
    assert "latency_us" not in objectives(slow.replace(num_tiles=4))
    assert objectives(load_hardware("ideal").replace(p_pi_mw=None)) == ("deviation_rms",)


def test_space_is_cut_to_the_chip():
    space = DesignSpace(("clements", "reck"), (4, 8, 16), ("descending",))
    assert space.on(CHIP) == space
    assert space.on(CHIP.replace(max_modes=8, mesh="reck")).designs() == [
        Design(mesh="reck", tile=tile, order="descending") for tile in (4, 8)
    ]
    with pytest.raises(ValueError, match=r"no design fits soi_typical: .* at most 2 modes"):
        space.on(CHIP.replace(max_modes=2))


def num_different(*rows: torch.Tensor) -> int:
    """Number of different columns of rows above each other."""
    return torch.unique(torch.vstack([row.double() for row in rows]), dim=1).shape[1]


def test_vectors_are_sites_lengths_edges_and_crystals(
    model: CrystalModel, held_out: HeldOut
) -> None:
    vectors = vectors_per_layer(model, held_out.batches)
    batches = held_out.batches
    per_crystal = {
        "embed": sum(batch.numbers.numel() for batch in batches),
        "edge_embedding.project": sum(
            batch.edge_vector.norm(dim=-1).unique().numel() for batch in batches
        ),
        "layers.0.attention.messages.key_mlp.outer": sum(
            num_different(batch.edge_index, batch.edge_vector.norm(dim=-1)) for batch in batches
        ),
        "layers.0.frame.messages.key_mlp.outer": sum(
            num_different(batch.edge_index) for batch in batches
        ),
        "head.inner": sum(batch.num_graphs for batch in batches),
    }
    for name, total in per_crystal.items():
        assert vectors[name] == total / held_out.num_crystals
    assert all(not layer._forward_pre_hooks for layer in model.network.modules())
    with pytest.raises(ValueError, match="at least one crystal"):
        vectors_per_layer(model, [])


def test_designs_are_mapped_costed_and_put_on_chips(
    study: DesignStudy, finished: tuple[Path, list[DesignResult]], record: RunRecord
) -> None:
    _, results = finished
    assert [r.design for r in results] == SPACE.designs()
    found = results[1]
    settings = MappingSettings(tile=8, order="centred")
    mapped = map_model(study.model, CHIP, settings, record)
    digital = digital_predictions(study.model, study.held_out)
    deviations, errors = [], []
    for index in range(2):
        predicted = chip_predictions(mapped, study.held_out, Chip(CHIP, 3, index))
        deviations.append(np.sqrt(np.mean((predicted - digital) ** 2)))
        errors.append(np.mean(np.abs(predicted - study.held_out.truth)))
    assert found.deviation_rms == pytest.approx(np.mean(deviations), rel=CLOSED_FORM_F64)
    half_range = abs(deviations[0] - deviations[1]) / 2
    assert found.deviation_sem == pytest.approx(half_range, rel=CLOSED_FORM_F64)
    assert found.mae == pytest.approx(np.mean(errors), rel=CLOSED_FORM_F64)
    cost = mapped_cost(mapped, study.held_out.batches)
    assert found.power_mw == cost.resident.power_mw
    assert found.energy_uj == cost.resident.energy_uj


def test_a_chip_with_few_tiles_takes_turns(study: DesignStudy, record: RunRecord, tmp_path) -> None:
    small = replace(
        study,
        hardware=CHIP.replace(num_tiles=10),
        space=DesignSpace(("clements",), (16,), ("descending",)),
        num_chips=1,
    )
    _, (found,) = small.run(tmp_path / "out", record)
    assert found.deviation_sem is None
    mapped = map_model(small.model, small.hardware, found.design.settings, record)
    cost = mapped_cost(mapped, study.held_out.batches)
    assert found.num_tiles == cost.resident.num_tiles > 10
    assert found.area_mm2 == cost.reprogrammed.area_mm2 < cost.resident.area_mm2
    assert found.latency_us == cost.reprogrammed.latency_us > cost.resident.latency_us


def test_files_hold_all_designs_and_name_the_best(
    study: DesignStudy, finished: tuple[Path, list[DesignResult]], record: RunRecord
) -> None:
    path, results = finished
    best = pareto_designs(results, study.objectives)
    data = json.loads((path / "designs.json").read_text())
    assert RunRecord.model_validate(data["record"]) == record
    assert data["pareto"] == [r.design.name for r in best]
    assert [DesignResult.model_validate(r) for r in data["designs"]] == results
    rows = list(csv.DictReader((path / "designs.csv").read_text().splitlines()))
    for row, r in zip(rows, results, strict=True):
        assert (row["mesh"], int(row["tile"]), row["order"]) == tuple(
            r.design.model_dump().values()
        )
        assert float(row["energy_uj"]) == r.energy_uj
        assert row["is_pareto"] == str(r in best)
    svg = (path / "designs.svg").read_text()
    for title in ("Deviation from digital n", "Power [W]", "Area [mm2]", "Latency"):
        assert title in svg
    assert (path / "designs.png").stat().st_size > 0
    assert sorted(p.name for p in path.iterdir()) == [
        "designs.csv",
        "designs.json",
        "designs.png",
        "designs.svg",
    ]


def test_a_killed_run_is_continued(
    study: DesignStudy,
    finished: tuple[Path, list[DesignResult]],
    record: RunRecord,
    tmp_path: Path,
) -> None:
    class Killed(Exception):
        pass

    done = 0

    def kill_at_second() -> None:
        nonlocal done
        done += 1
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        study.run(tmp_path / "out", record, kill_at_second)
    parts = sorted((tmp_path / "out.partial").glob("design-*.json"))
    assert len(parts) == 2
    parts[1].write_text(parts[1].read_text()[:40])
    times = [part.stat().st_mtime_ns for part in parts]
    seen: list[list[int]] = []
    path, results = study.run(
        tmp_path / "out",
        record,
        lambda: seen.append([p.stat().st_mtime_ns for p in parts]),
    )
    assert results == finished[1]
    assert (path / "designs.csv").read_bytes() == (finished[0] / "designs.csv").read_bytes()
    assert seen[-1][0] == times[0], "a finished design was computed again"
    assert seen[-1][1] > times[1], "a damaged part was used"


def test_results_are_not_overwritten(
    study: DesignStudy, finished: tuple[Path, list[DesignResult]], record: RunRecord
) -> None:
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        study.run(finished[0], record)


def test_a_search_finds_different_designs_and_repeats(
    study: DesignStudy,
    finished: tuple[Path, list[DesignResult]],
    record: RunRecord,
    tmp_path: Path,
) -> None:
    pytest.importorskip("optuna")
    few = replace(study, num_trials=3)
    assert not few.is_exhaustive
    assert few.num_evaluations == 3
    assert replace(study, num_trials=4).is_exhaustive
    first = few.run(tmp_path / "first", record)[1]
    assert len({r.design for r in first}) == 3
    assert all(r in finished[1] for r in first)
    assert few.run(tmp_path / "again", record)[1] == first


def test_search_without_optuna_is_explained(
    study: DesignStudy, record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"lightframe\[design\].* or .* --exhaustive"):
        replace(study, num_trials=2).run(tmp_path / "out", record)


def test_designs_that_do_not_work_are_kept_with_the_reason(
    study: DesignStudy, record: RunRecord, tmp_path: Path
) -> None:
    """A driver that cannot reach the phases of any design, and meshes that one design exceeds."""
    weak = replace(study, hardware=load_hardware("soi_lab_good").replace(v_max_v=3.0), num_chips=1)
    with pytest.raises(ValueError, match="no design works on soi_lab_good"):
        weak.run(tmp_path / "weak", record)
    narrow = replace(
        study,
        hardware=CHIP.replace(max_modes=8),
        space=DesignSpace(("clements",), (8, 16), ("descending",)),
        num_chips=1,
    )
    _, results = narrow.run(tmp_path / "narrow", record)
    assert [r.problem is None for r in results] == [True, False]
    assert "at most 8 modes" in results[1].problem
    assert results[1].deviation_rms is None


def test_predictions_that_overflow_are_no_design(
    study: DesignStudy, record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deep meshes with little loss on some paths drive an exponential label to infinity."""
    huge = np.full(study.held_out.num_crystals, 1e300)
    monkeypatch.setattr("experiments.design.chip_predictions", lambda *_: huge)
    with pytest.raises(ValueError, match="predictions on a chip are not finite"):
        study.run(tmp_path / "out", record)


def test_printed_table_names_best_designs_and_gaps(
    study: DesignStudy, finished: tuple[Path, list[DesignResult]]
) -> None:
    _, results = finished
    bare = CHIP.replace(laser_wall_plug=None)
    failed = DesignResult(design=Design(mesh="reck", tile=4, order="descending"), problem="why")
    with console.capture() as shown:
        print_designs([*results, failed], study.objectives, study.held_out.label, bare)
    text = " ".join(shown.get().split())
    for r in pareto_designs(results, study.objectives):
        assert f"{r.design.mesh} {r.design.tile} {r.design.order}" in text
    assert "1 designs do not work: why" in text
    assert "not stated: laser_wall_plug" in text


def test_command_writes_and_prints(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with console.capture() as shown:
        design_command(
            out, tiles="16, 16", meshes="clements", orders="centred", chips=1, crystals=3
        )
    data = json.loads((out / "designs.json").read_text())
    assert data["pareto"] == ["clements-16-centred"]
    assert data["record"]["config"]["num_crystals"] == 3
    assert data["record"]["config"]["num_trials"] is None
    assert "clements 16 centred" in shown.get()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tiles": "8,big"}, "--tiles takes numbers of modes, 1 to 1024, got 'big'"),
        ({"tiles": "0"}, "--tiles takes numbers of modes"),
        ({"meshes": "clement"}, "--meshes takes clements, reck, got 'clement'"),
        ({"orders": "up"}, "--orders takes descending, ascending, centred, random, got 'up'"),
        ({"hardware": "flw6_like", "tiles": "8"}, "no design fits flw6_like"),
    ],
)
def test_mistakes_are_explained(options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        design_command(tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_figure_of_one_objective(finished, study: DesignStudy, tmp_path: Path) -> None:
    """A chip without any cost figure is drawn against the number of tiles."""
    _, results = finished
    names = ("deviation_rms",)
    best = pareto_designs(results, names)
    draw_designs(results, best, names, study.held_out.label, tmp_path)
    assert "Tiles" in (tmp_path / "designs.svg").read_text()


def test_cost_table(mapped: MappedModel, held_out: HeldOut) -> None:
    known = replace(mapped, hardware=CHIP.replace(num_tiles=50))
    cost = mapped_cost(known, held_out.batches)
    rows = {name: values for name, *values in cost_rows(cost)}
    resident, again = cost.resident, cost.reprogrammed
    assert rows["tiles on the chip"] == [f"{resident.num_tiles:,}", "50"]
    assert rows["phases written, times"][0] == "0"
    assert rows["heaters [W]"] == [short(w.heater_mw * 1e-3) for w in (resident, again)]
    assert rows["energy per MAC [pJ]"] == [short(w.energy_per_mac_pj) for w in (resident, again)]
    macs = sum(
        p.out_features * p.in_features * layer.num_vectors
        for p, layer in zip(known.programs.values(), cost.layers, strict=True)
    )
    digital = rows["digital INT8, 0.3-2 pJ per MAC, quoted [uJ]"][0].split("-")
    for text, pj in zip(digital, (0.3, 2.0), strict=True):
        assert text == f"{macs * pj * 1e-6:.3g}"


def test_cost_notes_state_what_is_assumed_and_missing(
    mapped: MappedModel, held_out: HeldOut
) -> None:
    bare = replace(mapped, hardware=CHIP.replace(mzi_length_um=None, program_time_us=None))
    cost = mapped_cost(bare, held_out.batches)
    rows = {name: values for name, *values in cost_rows(cost)}
    assert rows["area [mm2]"] == rows["latency [us]"] == ["-", "-"]
    assert "-" not in rows["lasers [W]"]
    with console.capture() as shown:
        print_cost(cost)
    text = " ".join(shown.get().split())
    assert "input_bits and adc_bits assumed" in text
    assert text.count("mzi_length_um") == 1
    assert "not stated: mzi_length_um, program_time_us" in text
    assert cost_notes(mapped_cost(replace(mapped, hardware=CHIP), held_out.batches))[-1].startswith(
        "light that a detector needs"
    )
