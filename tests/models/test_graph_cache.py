"""Cached graphs are the built ones, bit for bit, whoever built them; damage is seen."""

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models import graph_cache
from models.crystal import Crystal, CrystalError
from models.datasets import load_dataset
from models.files import new_folder
from models.graph import CrystalGraph, GraphSettings, SymmetryWarning
from models.graph_builder import build_graphs
from models.graph_cache import GraphCacheWarning, cache_directory, graph_origin, load_graphs
from models.graph_store import (
    MANIFEST_FILE,
    GraphStoreError,
    read_graphs,
    write_graphs,
)
from tests.models.test_canonical import PSEUDO_PERIODIC

SETTINGS = GraphSettings(num_neighbours=8, lattice_frame="pca")
SHA = "a" * 64
ARRAYS = ("counts", "numbers", "edge_index", "edge_vector", "frames", "has_frame_fallback")


def some_crystals() -> tuple[Crystal, ...]:
    return load_dataset("elastic").crystals[:150]


@pytest.fixture(scope="module")
def crystals() -> tuple[Crystal, ...]:
    return some_crystals()


@pytest.fixture(scope="module")
def built(crystals: tuple[Crystal, ...]) -> tuple[CrystalGraph, ...]:
    return build_graphs(crystals, SETTINGS, workers=1)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one complete entry."""
    directory = tmp_path_factory.mktemp("filled")
    load_graphs(some_crystals(), SETTINGS, SHA, directory=directory)
    return directory


@pytest.fixture
def entry(filled: Path, tmp_path: Path) -> Path:
    """A copy of the complete entry in ``tmp_path``."""
    (path,) = shutil.copytree(filled / "graphs", tmp_path / "graphs").iterdir()
    return path


def origin(num_crystals: int = 150) -> dict[str, object]:
    return graph_origin(SETTINGS, SHA, num_crystals)


def assert_same_bits(first: tuple[CrystalGraph, ...], second: tuple[CrystalGraph, ...]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        for name in ("numbers", "edge_index", "edge_vector", "frames"):
            left, right = getattr(one, name), getattr(other, name)
            assert left.dtype == right.dtype
            assert np.array_equal(left, right)
        assert one.has_frame_fallback is other.has_frame_fallback


def refuse_to_build(*_: object, **__: object) -> None:
    raise AssertionError("built although it was in the cache")


def test_several_workers_give_the_same_bits_in_the_same_order(
    crystals: tuple[Crystal, ...], built: tuple[CrystalGraph, ...]
) -> None:
    calls: list[None] = []
    parallel = build_graphs(crystals, SETTINGS, workers=2, on_graph=lambda: calls.append(None))
    assert_same_bits(parallel, built)
    assert len(calls) == len(crystals)
    assert any(graph.has_frame_fallback for graph in built)
    assert not all(graph.has_frame_fallback for graph in built)


@pytest.mark.parametrize("workers", [1, 2])
def test_warnings_and_errors_of_workers_arrive(workers: int) -> None:
    on_top = Crystal([1, 8], 4 * np.eye(3), [[0, 0, 0], [0, 0, 0.1]])
    crystals = [PSEUDO_PERIODIC] * 64 + [on_top]  # in two chunks
    with (
        pytest.warns(SymmetryWarning, match="no primitive cell"),
        pytest.raises(CrystalError, match="sites 0 and 1"),
    ):
        build_graphs(crystals, GraphSettings(), workers=workers)


def test_no_worker_is_refused(crystals: tuple[Crystal, ...]) -> None:
    with pytest.raises(ValueError, match="`workers` must be at least 1, got 0"):
        build_graphs(crystals, SETTINGS, workers=0)


def test_cached_graphs_are_the_built_ones_and_are_not_built_again(
    entry: Path,
    crystals: tuple[Crystal, ...],
    built: tuple[CrystalGraph, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graph_cache, "build_graphs", refuse_to_build)
    calls: list[None] = []
    cached = load_graphs(
        crystals, SETTINGS, SHA, directory=entry.parent.parent, on_graph=lambda: calls.append(None)
    )
    assert_same_bits(cached, built)
    assert len(calls) == len(crystals)
    with pytest.raises(ValueError, match="read-only"):
        cached[0].edge_vector[0, 0] = 0.0


def test_other_data_settings_or_code_make_another_entry(
    crystals: tuple[Crystal, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = crystals[:4]
    load_graphs(few, SETTINGS, SHA, directory=tmp_path)
    load_graphs(few, SETTINGS, "b" * 64, directory=tmp_path)
    load_graphs(few[:3], SETTINGS, SHA, directory=tmp_path)
    other = SETTINGS.model_copy(update={"lattice_frame": "polar"})
    load_graphs(few, other, SHA, directory=tmp_path)
    monkeypatch.setattr(graph_cache, "_code_sha256", lambda: "0" * 64)
    load_graphs(few, SETTINGS, SHA, directory=tmp_path)
    assert len(list((tmp_path / "graphs").iterdir())) == 5


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1  # the last brace of the manifest, or a number
    path.write_bytes(data)


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip, remove, empty])
@pytest.mark.parametrize("name", [*(f"{name}.npy" for name in ARRAYS), MANIFEST_FILE])
def test_damage_is_seen(entry: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(entry / name)
    with pytest.raises(GraphStoreError, match=name.removesuffix(".npy")):
        read_graphs(entry, origin())


def test_damaged_entries_are_built_anew(
    entry: Path, crystals: tuple[Crystal, ...], built: tuple[CrystalGraph, ...]
) -> None:
    flip(entry / "edge_vector.npy")
    assert_same_bits(load_graphs(crystals, SETTINGS, SHA, directory=entry.parent.parent), built)
    assert_same_bits(read_graphs(entry, origin()), built)
    assert list(entry.parent.iterdir()) == [entry]


def test_entries_of_another_origin_or_format_are_refused(entry: Path) -> None:
    with pytest.raises(GraphStoreError, match="another origin"):
        read_graphs(entry, origin(149))
    manifest = json.loads((entry / MANIFEST_FILE).read_text())
    (entry / MANIFEST_FILE).write_text(json.dumps(manifest | {"format_version": 99}))
    with pytest.raises(GraphStoreError, match="another format"):
        read_graphs(entry, origin())


def forge(entry: Path, name: str, array: np.ndarray, *, allow_pickle: bool = False) -> None:
    """Replace an array and make size and hash fit to it."""
    path = entry / f"{name}.npy"
    np.save(path, array, allow_pickle=allow_pickle)
    manifest = json.loads((entry / MANIFEST_FILE).read_text())
    manifest["arrays"][name] = {
        "num_bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (entry / MANIFEST_FILE).write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_do_not_fit_are_refused_even_with_the_right_hash(
    entry: Path, name: str
) -> None:
    array = np.load(entry / f"{name}.npy")
    forge(entry, name, array[:, :-1] if name == "edge_index" else array[:-1])
    with pytest.raises(GraphStoreError, match="do not fit"):
        read_graphs(entry, origin())
    forge(entry, name, array.astype(np.float32))
    with pytest.raises(GraphStoreError, match="unexpected dtype or shape"):
        read_graphs(entry, origin())


def test_edges_and_elements_that_do_not_exist_are_refused(entry: Path) -> None:
    index = np.load(entry / "edge_index.npy")
    for value in (-1, 10_000):
        wrong = index.copy()
        wrong[1, 7] = value
        forge(entry, "edge_index", wrong)
        with pytest.raises(GraphStoreError, match="sites that do not exist"):
            read_graphs(entry, origin())
    forge(entry, "edge_index", index)
    forge(entry, "numbers", np.zeros_like(np.load(entry / "numbers.npy")))
    with pytest.raises(GraphStoreError, match="unknown elements"):
        read_graphs(entry, origin())


def test_pickled_objects_are_never_loaded(entry: Path) -> None:
    forge(entry, "frames", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(GraphStoreError, match="frames"):
        read_graphs(entry, origin())


def fill(directory: Path, barrier, results) -> None:
    """In a process of its own: build the entry when the other one is ready too."""
    crystals = some_crystals()
    build_graphs(crystals[:1], SETTINGS)
    barrier.wait(timeout=120)
    graphs = load_graphs(crystals, SETTINGS, SHA, directory=directory)
    results.put((os.getpid(), sum(float(graph.edge_vector.sum()) for graph in graphs)))


def test_two_processes_fill_one_cache_at_the_same_time(
    tmp_path: Path, built: tuple[CrystalGraph, ...]
) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=fill, args=(tmp_path, barrier, results)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len({pid for pid, _ in found}) == 2
    expected = sum(float(graph.edge_vector.sum()) for graph in built)
    assert [total for _, total in found] == [expected, expected]
    (entry,) = (tmp_path / "graphs").iterdir()
    assert_same_bits(read_graphs(entry, origin()), built)


@pytest.mark.parametrize("is_damaged", [False, True])
def test_an_entry_that_appears_meanwhile(
    entry: Path,
    built: tuple[CrystalGraph, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_damaged: bool,
) -> None:
    """The slower process keeps the entry of the faster one if it is sound, else replaces it."""
    directory = tmp_path / "other"

    def build_slowly(*arguments: object, **options: object) -> tuple[CrystalGraph, ...]:
        shutil.copytree(entry, directory / "graphs" / entry.name)
        if is_damaged:
            truncate(directory / "graphs" / entry.name / "numbers.npy")
        return built

    monkeypatch.setattr(graph_cache, "build_graphs", build_slowly)
    assert_same_bits(load_graphs(some_crystals(), SETTINGS, SHA, directory=directory), built)
    assert [path.name for path in (directory / "graphs").iterdir()] == [entry.name]
    assert_same_bits(read_graphs(directory / "graphs" / entry.name, origin()), built)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "graphs"
    (root / f"x.partial-{'0' * 16}").mkdir(parents=True)
    (root / "x.partial-mine").mkdir()
    with new_folder(root / "another") as of_a_living_one:
        load_graphs(some_crystals()[:2], SETTINGS, SHA, directory=tmp_path)
        names = {path.name for path in root.iterdir()}
        assert len(names) == 3 and {"x.partial-mine", of_a_living_one.name} < names


def test_a_directory_that_cannot_be_written_costs_the_cache_alone(
    tmp_path: Path, built: tuple[CrystalGraph, ...]
) -> None:
    place = tmp_path / "file"
    place.write_text("not a directory")
    with pytest.warns(GraphCacheWarning, match="graphs are not kept"):
        graphs = load_graphs(some_crystals()[:9], SETTINGS, SHA, directory=place)
    assert_same_bits(graphs, built[:9])


def test_a_full_disk_costs_the_cache_alone(
    tmp_path: Path, built: tuple[CrystalGraph, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(graphs: tuple[CrystalGraph, ...], origin: dict, directory: Path) -> None:
        write_graphs(graphs, origin, directory)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(graph_cache, "write_graphs", fail)
    with pytest.warns(GraphCacheWarning, match="No space left"):
        graphs = load_graphs(some_crystals()[:9], SETTINGS, SHA, directory=tmp_path)
    assert_same_bits(graphs, built[:9])
    assert list((tmp_path / "graphs").iterdir()) == []


def test_the_cache_lies_where_the_user_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTFRAME_CACHE", str(tmp_path / "mine"))
    assert cache_directory() == tmp_path / "mine"
    load_graphs(some_crystals()[:2], SETTINGS, SHA)
    assert len(list((tmp_path / "mine" / "graphs").iterdir())) == 1


@pytest.mark.parametrize(
    ("platform", "variable", "tail"),
    [
        ("linux", "XDG_CACHE_HOME", ".cache/lightframe"),
        ("darwin", "NONE", "Library/Caches/lightframe"),
        ("win32", "LOCALAPPDATA", "AppData/Local/lightframe"),
    ],
)
def test_the_place_of_each_system(
    platform: str, variable: str, tail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIGHTFRAME_CACHE", raising=False)
    monkeypatch.setattr(graph_cache.sys, "platform", platform)
    monkeypatch.delenv(variable, raising=False)
    assert cache_directory() == Path.home() / tail
    if variable != "NONE":
        monkeypatch.setenv(variable, str(tmp_path))
        assert cache_directory() == tmp_path / "lightframe"
