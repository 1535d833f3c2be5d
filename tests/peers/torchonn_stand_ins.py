"""Empty modules in place of what torchonn imports at its start and its MZI layers never use."""

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType

CUDA_NAMES = [
    f"{verb}_{mesh}"
    for verb in ("decompose", "reconstruct")
    for mesh in ("clements", "reck", "francis")
]


class _Named(type):
    """Class of classes that have every attribute."""

    def __getattr__(cls, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


class _Anything(ModuleType):
    """A module in which every name is an empty class, to be imported or inherited from."""

    __path__: list[str] = []  # noqa: RUF012  (what makes it a package)

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Named(name, (), {})


class _StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds torchvision and all its submodules as empty ones."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Anything(spec.name)

    def exec_module(self, module):
        pass


def install() -> None:
    """Put the modules in the place of those that are missing or of another build.

    A torchvision beside a CPU-only torch fails at its import, and the CUDA extension of torchonn
    is looked up by name even for tensors on the CPU.
    """
    sys.meta_path.insert(0, _StandIn())
    extension = ModuleType("matrix_parametrization_cuda")
    for name in CUDA_NAMES:
        setattr(extension, name, None)
    sys.modules.setdefault("matrix_parametrization_cuda", extension)
