"""The house rules: who may import whom, and no import cycles."""

import ast
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "photonic": {"models", "experiments", "tests"},
    "models": {"photonic", "experiments", "tests"},
    "hardware_configs": {"photonic", "models", "experiments", "tests"},
    "experiments": {"tests"},
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


SOURCES = {
    module_name(path): path for room in FORBIDDEN for path in sorted((ROOT / room).rglob("*.py"))
}


@pytest.mark.parametrize("room", FORBIDDEN)
def test_rooms_import_only_what_they_may(room: str) -> None:
    for name, path in SOURCES.items():
        if name.split(".")[0] == room:
            wrong = {m for m in imports(path) if m.split(".")[0] in FORBIDDEN[room]}
            assert not wrong, f"{name} imports {sorted(wrong)}"


def test_no_import_cycles() -> None:
    graph = {name: imports(path) & SOURCES.keys() - {name} for name, path in SOURCES.items()}
    for name in graph:
        seen, frontier = set(), set(graph[name])
        while frontier:
            assert name not in frontier, f"{name} is in an import cycle"
            seen |= frontier
            frontier = set(itertools.chain(*(graph[m] for m in frontier))) - seen


def test_no_pickle_and_no_eval() -> None:
    calls = {"eval", "exec", "pickle.load", "pickle.loads", "torch.load", "yaml.load"}
    for name, path in SOURCES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in calls, f"{name}:{node.lineno}"


WRITERS = {"write_text", "write_bytes", "rename", "rmtree", "save_file", "savefig", "tofile"}
MAY_WRITE = {
    "photonic.files": "the mechanism",
    "models.files": "the same file",
    "models.graph_cache": "renames a damaged entry away",
    "models.graph_store": "arrays, into a folder of models.files that is new",
    "experiments.bench.memory": "a switch of the kernel in /proc",
    "experiments.figures": "into memory",
}


def writes(call: ast.Call) -> bool:
    """True for a call that makes, replaces or removes files by its own rules."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    if name == "open":
        words = (*call.args[:2], *(k.value for k in call.keywords if k.arg == "mode"))
        modes = [w.value for w in words if isinstance(w, ast.Constant) and isinstance(w.value, str)]
        return any(set(mode) & set("wxa+") and len(mode) <= 3 for mode in modes)
    if ast.unparse(call.func) in {"os.replace", "os.link"}:
        return True
    return name in WRITERS or (
        ast.unparse(call.func) == "os.open" and "O_CREAT" in ast.unparse(call)
    )


def test_files_are_written_in_one_way() -> None:
    """No file outside is reached through links, none of the user's is replaced."""
    for name, path in SOURCES.items():
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        wrong = [call.lineno for call in calls if writes(call)]
        assert not wrong or name in MAY_WRITE, f"{name}: {wrong}"


def test_slow_packages_are_loaded_when_they_are_used() -> None:
    """What no study needs before its first task."""
    slow = {"sklearn", "scipy.stats", "scipy.optimize", "scipy.spatial", "matplotlib", "pymatgen"}
    code = f"import sys, experiments.study.run; print(*{slow} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout.split()) == (0, [])


def test_digital_predictions_load_nothing_of_the_chips() -> None:
    unused = {"photonic", "xarray", "pandas", "sklearn", "matplotlib", "dask", "zarr"}
    code = (
        "import sys, experiments.cli, experiments.prediction, experiments.prediction_table, "
        f"experiments.commands.model_account; print(*{unused} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout.split()) == (0, [])


def test_files_stay_short() -> None:
    for name, path in SOURCES.items():
        num_lines = path.read_text(encoding="utf-8").count("\n")
        assert num_lines <= 450, f"{name} has {num_lines} lines"
