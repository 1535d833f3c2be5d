"""Chip descriptions on the command line and in their page: units, sources, examples."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from experiments.chips import effects_on, stated_figures, summary, unit_of
from experiments.commands.chips import chips_app
from photonic.hardware import EFFECTS, HardwareConfig, hardware_names, load_hardware
from photonic.hardware.schema import hardware_schema

PAGE = (Path(__file__).parents[2] / "docs" / "chips.md").read_text(encoding="utf-8")
Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """What ``lightframe chips`` prints for some arguments."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str | Path) -> str:
        chips_app([*map(str, arguments)], standalone_mode=False)
        return capsys.readouterr().out

    return call


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def words(text: str) -> str:
    """Text without the breaks of lines and columns."""
    return "".join(text.split())


def test_units_are_those_of_the_descriptions():
    described = {
        name: re.findall(r"\[([^\]]+)\]", field.description or "")
        for name, field in HardwareConfig.model_fields.items()
    }
    units = {name: found[0] for name, found in described.items() if len(found) == 1}
    assert len(units) > 50
    wrong = {
        name: (unit, unit_of(name))
        for name, unit in units.items()
        if unit_of(name) != unit.removesuffix(" of power")
    }
    assert not wrong


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ("v_pi_v", "V"),
        ("random_walk_rad_per_sqrt_hour", "rad/sqrt(h)"),
        ("heater_quartic_rad_per_v4", "rad/V^4"),
        ("thermo_optic_per_k", "1/K"),
        ("laser_rin_db_per_hz", "dB/Hz"),
        ("tia_noise_pa_per_sqrt_hz", "pA/sqrt(Hz)"),
        ("dac_bits", "bit"),
        ("max_modes", "modes"),
        ("crosstalk", "1"),
        ("crosstalk_law", "1"),
    ],
)
def test_unit_is_the_end_of_the_name(field: str, unit: str) -> None:
    assert unit_of(field) == unit


def test_list_names_every_chip(run: Run) -> None:
    shown = run()
    for name in hardware_names():
        assert re.search(rf"^{name} ", shown, re.MULTILINE)
    assert "ornstein_uhlenbeck" in shown and "none" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("name", hardware_names())
def test_show_prints_every_figure_with_unit_and_source(run: Run, name: str) -> None:
    shown, hardware = words(run("show", name)), load_hardware(name)
    figures = stated_figures(hardware)
    assert {figure.field for figure in figures} >= hardware.sources.keys()
    for figure in figures:
        assert figure.field in shown
        assert figure.meaning
        source = hardware.sources.get(figure.field)
        assert source is None or words(f"source: {source}") in shown
    for effect in effects_on(hardware):
        assert effect in shown


def test_show_prints_value_unit_meaning_and_source(run: Run) -> None:
    shown = run("show", "soi_lab_good")
    assert re.search(r"^p_pi_mw +24\.77 +mW +Electrical power for", shown, re.MULTILINE)
    assert words("source: quoted: Harris et al., Opt. Express 22, 10487 (2014)") in words(shown)
    assert re.search(r"^is_crosstalk_compensated +yes ", shown, re.MULTILINE)


@pytest.mark.parametrize("name", hardware_names())
def test_json_holds_the_same(run: Run, name: str) -> None:
    shown, hardware = json.loads(run("show", name, "--json")), load_hardware(name)
    assert (shown["name"], shown["description"]) == (name, hardware.description)
    assert shown["effects"] == effects_on(hardware)
    for figure in shown["figures"]:
        assert figure["value"] == getattr(hardware, figure["field"])
        assert figure["source"] == hardware.sources.get(figure["field"], "")
        assert bool(figure["unit"]) == (type(figure["value"]) in (int, float))
    fields = {figure["field"] for figure in shown["figures"]}
    stated = hardware.model_dump(exclude_defaults=True).keys()
    assert fields >= stated - {"name", "description", "sources", "ideal"}


def test_files_tables_and_effects_switched_off(run: Run, tmp_path: Path) -> None:
    (tmp_path / "omega.csv").write_text("1,0.1\n0.1,1\n")
    (tmp_path / "chip.yaml").write_text(
        "name: '[mine]'\nideal: [loss]\ninsertion_loss_db: {value: 1.0, source: a}\n"
        "crosstalk_law: matrix\ncrosstalk_rows: {file: omega.csv, source: '[bold]scan'}\n"
        "laser_area_um2: {value: 1234567.5, source: a}\n"
    )
    shown = run("show", tmp_path / "chip.yaml")
    for text in ("[mine]: ", "switched off: loss", "table of 2 x 2", "[bold]scan", "1234567.5"):
        assert text in shown
    assert "insertion_loss_db" not in shown


def test_schema_is_printed(run: Run) -> None:
    assert json.loads(run("schema")) == hardware_schema()


def test_an_unknown_chip_names_the_nearest_one(run: Run) -> None:
    with pytest.raises(ValueError, match="did you mean 'soi_typical'"):
        run("show", "soi_typcal")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", "One."),
        (
            "The chip of Carolan et al. (2015), a mesh. More.",
            "The chip of Carolan et al. (2015), a mesh.",
        ),
        ("At 785 nm. ", "At 785 nm. "),
        ("", ""),
    ],
)
def test_summary_is_the_first_sentence(text: str, expected: str) -> None:
    assert summary(HardwareConfig(name="x", description=text)) == expected


def test_no_effect_is_on_without_figures() -> None:
    assert effects_on(load_hardware("ideal")) == []
    assert set(effects_on(load_hardware("soi_typical_link"))) < set(EFFECTS)


def test_page_names_every_chip() -> None:
    table = PAGE.split("## Shipped descriptions")[1].split("##")[0]
    first_cells = " ".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", first_cells)) == set(hardware_names())


def test_descriptions_of_the_page_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "omega.csv").write_text("1\n")
    (tmp_path / "trace.csv").write_text("time_s,temperature_k\n0,293.1\n60,293.2\n")
    found = blocks("yaml")
    assert len(found) == 2
    for number, text in enumerate(found):
        (tmp_path / f"{number}.yaml").write_text(text)
        assert effects_on(load_hardware(tmp_path / f"{number}.yaml"))


def test_commands_of_the_page_exist() -> None:
    lines = [line for line in blocks("")[0].splitlines() if line]
    assert len(lines) == 4
    command = typer.main.get_command(chips_app)
    for line in lines:
        name, *rest = shlex.split(line, comments=True)[1:]
        assert name == "chips"
        assert not rest or rest[0] in command.commands


def test_python_of_the_page_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    for code in blocks("python"):
        exec(compile(code, "docs/chips.md", "exec"), {})
    sigma, fidelity = capsys.readouterr().out.splitlines()
    assert [round(float(number), 4) for number in sigma.split()] == [0.0950, 0.0002]
    assert round(float(fidelity), 3) == 0.974


def test_figures_of_the_page_are_those_of_the_chips() -> None:
    for name, figure in re.findall(
        r"^\| `(\w+)` \| chip \|.* error ([\d.]+) rad", PAGE, re.MULTILINE
    ):
        assert load_hardware(name).phase_noise_rad == float(figure)
