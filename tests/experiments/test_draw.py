"""The drawing of a mesh: every part is there, in its place and colour, and can be read."""

import functools
import itertools
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import typer
from matplotlib import colormaps
from typer.testing import CliRunner

from experiments.commands.draw import draw
from experiments.draw import channel_labels, draw_mapped
from experiments.mesh_schematic import PHASE, SMALLEST_FONT, box_corners, draw_mesh
from photonic import MeshLayout
from photonic.mesh_state import target_phases
from photonic.randomness import keyed_generator
from tests.tolerances import DRAWN_COLOUR

LAYER = "layers.1.update.inner"
SVG = "{http://www.w3.org/2000/svg}"
both_kinds = pytest.mark.parametrize("kind", ["clements", "reck"])
sizes = pytest.mark.parametrize("num_modes", [1, 2, 4, 7, 16, 32])
LONG_TITLE = (
    "layers.0.attention.messages.key_mlp.receiver, tile (12, 34), mesh U\nclements, 4 modes"
)


@functools.cache
def drawn(kind, num_modes):
    layout = MeshLayout(kind, num_modes)
    count = 2 * layout.num_mzis + layout.num_modes
    values = keyed_generator(0, "drawing").uniform(0, 2 * math.pi, count)
    labels = [str(1000 + k) for k in range(count)]
    figure = draw_mesh(layout, values, labels, LONG_TITLE, PHASE)
    figure.draw_without_rendering()
    return layout, values, labels, figure


def by_gid(figure, gid):
    [found] = [part for part in figure.axes[0].collections if part.get_gid() == gid]
    return found


@both_kinds
@sizes
def test_every_part_is_drawn(kind, num_modes):
    layout, values, labels, figure = drawn(kind, num_modes)
    assert len(by_gid(figure, "waveguides").get_segments()) == num_modes
    assert len(by_gid(figure, "couplers").get_segments()) == 2 * layout.num_mzis
    shifters = by_gid(figure, "shifters")
    assert len(shifters.get_paths()) == len(values) == len(labels)
    assert [text.get_text() for text in figure.axes[0].texts] == labels
    expected = colormaps["twilight"](values / (2 * math.pi))
    assert np.allclose(shifters.get_facecolor(), expected, atol=DRAWN_COLOUR)


@both_kinds
@sizes
def test_numbers_lie_on_their_shifters_and_boxes_do_not_touch(kind, num_modes):
    _, _, _, figure = drawn(kind, num_modes)
    axes, renderer = figure.axes[0], figure.canvas.get_renderer()
    shifters = by_gid(figure, "shifters")
    boxes = [path.get_extents(axes.transData) for path in shifters.get_paths()]
    for text, box in zip(axes.texts, boxes, strict=True):
        found = text.get_window_extent(renderer)
        assert box.x0 <= found.x0 and found.x1 <= box.x1, text.get_text()
        assert box.y0 <= found.y0 and found.y1 <= box.y1, text.get_text()
        assert text.get_fontsize() >= SMALLEST_FONT
    rows = {}
    for box in boxes:
        rows.setdefault(round(box.y0), []).append((box.x0, box.x1))
    for row in rows.values():
        assert all(first[1] < second[0] for first, second in itertools.pairwise(sorted(row)))


@both_kinds
@pytest.mark.parametrize("num_modes", [2, 4, 7, 16, 32])
def test_all_words_are_inside_the_figure_and_apart(kind, num_modes):
    _, _, _, figure = drawn(kind, num_modes)
    renderer, page = figure.canvas.get_renderer(), figure.bbox
    axes, bar = figure.axes
    words = [*figure.texts, *axes.get_xticklabels(), *axes.get_yticklabels()]
    words += [axes.yaxis.label, bar.yaxis.label, *bar.get_yticklabels()]
    extents = [word.get_window_extent(renderer) for word in words if word.get_text()]
    assert all(page.x0 <= e.x0 and e.x1 <= page.x1 for e in extents)
    assert all(page.y0 <= e.y0 and e.y1 <= page.y1 for e in extents)
    for first, second in itertools.combinations(extents, 2):
        assert not first.overlaps(second)


@both_kinds
def test_waveguides_meet_in_couplers_and_shifters_sit_on_the_upper_arm(kind):
    """Between phi and theta, and behind theta, both modes come close, and nowhere else."""
    layout, _, _, figure = drawn(kind, 5)
    lines = by_gid(figure, "waveguides").get_segments()
    corners = box_corners(layout)
    m = layout.num_mzis
    for k in range(m):
        (theta, theta_mode), (phi, phi_mode) = corners[k], corners[m + k]
        assert theta_mode == phi_mode == layout.mode[k]
        assert layout.column[k] < phi < theta < layout.column[k] + 1
        upper, lower = lines[layout.mode[k]], lines[layout.mode[k] + 1]
        for low, high in ((phi, theta), (theta, layout.column[k] + 1)):
            down = upper[(upper[:, 0] > low) & (upper[:, 0] < high), 1].max()
            up = lower[(lower[:, 0] > low) & (lower[:, 0] < high), 1].min()
            assert 0 < up - down < 0.5
    assert all((np.diff(line[:, 0]) >= 0).all() for line in lines)


def test_labels_are_the_channels_of_the_tile(mapped):
    """16 x 16: 256 shifters of V, 2 x 16 of the attenuators, then U; theta, phi, output screen."""
    program = mapped.programs[LAYER]
    assert channel_labels(program, "V") == [str(k) for k in range(256)]
    assert channel_labels(program, "U") == [str(k) for k in range(288, 288 + 256)]


@pytest.fixture
def command():
    """The command as an application of its own."""
    app = typer.Typer()
    app.command()(draw)

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.mark.parametrize("color", ["phase", "sensitivity"])
def test_the_command_draws_a_tile(command, mapped_dir, mapped, color, tmp_path):
    out = tmp_path / "mesh.svg"
    arguments = ("--layer", LAYER, "--tile", "1,2", "--mesh", "V", "--color", color, "--out", out)
    assert command(mapped_dir, *arguments).exit_code == 0
    texts = {element.text for element in ElementTree.parse(out).iter(f"{SVG}text")}
    assert set(channel_labels(mapped.programs[LAYER], "V")) <= texts
    assert f"{LAYER}, tile (1, 2), mesh V" in texts
    assert "clements, 16 modes; numbers are channels" in texts
    assert ("phase [rad]" if color == "phase" else "slope of the error [1/rad]") in texts
    assert list(tmp_path.iterdir()) == [out]


def test_colours_are_those_of_the_phases_of_the_tile(mapped, tmp_path):
    out = tmp_path / "mesh.svg"
    draw_mapped(mapped, LAYER, (3, 1), "U", "phase", out)
    root = ElementTree.parse(out)
    [group] = [g for g in root.iter(f"{SVG}g") if g.get("id") == "shifters"]
    styles = [path.get("style", "") for path in group.iter(f"{SVG}path")]
    fills = [style.split("fill: ")[1][:7] for style in styles if "fill: #" in style]
    phases = target_phases(mapped.programs[LAYER])["U"][3, 1].numpy()
    colours = (255 * colormaps["twilight"](phases / (2 * math.pi))[:, :3]).round().astype(int)
    assert fills == ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours]


def test_drawings_are_png_too_and_never_overwritten(mapped, tmp_path):
    out = tmp_path / "mesh.png"
    draw_mapped(mapped, LAYER, (0, 0), "U", "phase", out)
    assert out.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        draw_mapped(mapped, LAYER, (0, 0), "U", "phase", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layer", "head"), "there is no layer 'head'; layers are embed, "),
        (("--layer", LAYER, "--tile", "4,0"), r"tiles \(0, 0\) to \(3, 4\), there is no \(4, 0\)"),
        (("--layer", LAYER, "--tile", "1"), "takes a row and a column as in 0,1, got '1'"),
        (("--layer", LAYER, "--tile", "-1,0"), "takes a row and a column"),
    ],
)
def test_wrong_places_are_refused(command, mapped_dir, arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        command(mapped_dir, "--out", tmp_path / "mesh.svg", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_other_formats_and_crossings_are_refused(mapped, tmp_path):
    with pytest.raises(ValueError, match=r"must end with \.svg or \.png, got 'mesh\.pdf'"):
        draw_mapped(mapped, LAYER, (0, 0), "U", "phase", Path(tmp_path / "mesh.pdf"))
    with pytest.raises(ValueError, match="butterfly mesh has crossings"):
        draw_mesh(MeshLayout.butterfly(4), np.zeros(12), [""] * 12, "", PHASE)
    with pytest.raises(ValueError, match="16 values and labels are needed, got 3, 16"):
        draw_mesh(MeshLayout.clements(4), np.zeros(3), [""] * 16, "", PHASE)
