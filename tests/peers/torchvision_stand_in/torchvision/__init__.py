"""Empty classes in place of torchvision, so that torchonn imports beside any build of torch.

torchonn imports torchvision at its start and while it is built, for data sets of pictures that its
MZI layers never use. The torchvision of the package index imports only beside a CUDA build of
torch of the same release, which takes several gigabytes. Every name here, of this module or of a
submodule, is an empty class: importing and inheriting work, and there is nothing else to use.
"""

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType


class _Named(type):
    """Class of classes that have every attribute."""

    def __getattr__(cls, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


class _Empty(ModuleType):
    """A module in which every name is an empty class."""

    __path__: list[str] = []  # noqa: RUF012  (what makes it a package)

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Named(name, (), {})


class _Submodules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every submodule of torchvision as an empty one."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.startswith(f"{__name__}."):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Empty(spec.name)

    def exec_module(self, module):
        pass


__version__ = "0.28.0+stand.in"
sys.modules[__name__].__class__ = _Empty
sys.meta_path.append(_Submodules())
