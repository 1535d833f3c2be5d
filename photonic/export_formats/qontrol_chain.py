"""Driver modules of Qontrol on one serial port: their channels and full scales.

The modules of a backplane form a continuous chain from its first slot, and channels are counted
through along the chain: a module that no shifter uses keeps its channels.

Source: takeqontrol/api, qontrol.py 1.1.1, DEVICE_PROPERTIES (Q8iv, Q8b), and its manual of the BP8,
"Populating the backplane"; data sheets (Q8a, Q8bi).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ModuleKind = Literal["Q8iv", "Q8b", "Q8a", "Q8bi"]
"""Kinds of modules."""
DEFAULT_KIND: ModuleKind = "Q8iv"
MODULES_PER_PORT = 8
"""Modules of a backplane (BP8), taken as one serial port."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FULL_MA: dict[str, float] = {"Q8iv": 24.0, "Q8b": 83.333333, "Q8a": 100.0, "Q8bi": 100.0}
"""[mA] full scale of the current by kind of module."""
_FULL_V = 12.0
_NUM_CHANNELS = 8


@dataclass(frozen=True, kw_only=True)
class QontrolModule:
    """One module of 8 channels.

    Raises:
        ValueError: for a name that is none, or an unknown kind.
    """

    name: str
    """Name of the module in the channel map."""
    kind: ModuleKind = DEFAULT_KIND
    """Q8iv, Q8b, Q8a or Q8bi."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a name of a module")
        if self.kind not in _FULL_MA:
            raise ValueError(f"a Qontrol module is one of {', '.join(_FULL_MA)}, got {self.kind!r}")

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return _NUM_CHANNELS

    @property
    def full_v(self) -> float:
        """[V] full scale of the voltage (VFULL)."""
        return _FULL_V

    @property
    def full_ma(self) -> float:
        """[mA] full scale of the current (IFULL)."""
        return _FULL_MA[self.kind]


@dataclass(frozen=True, kw_only=True)
class QontrolChain:
    """Modules behind one serial port; their channels are counted through, in this order.

    Raises:
        ValueError: if the name is none, there is no module or a module occurs twice.
    """

    name: str
    """Name of the port, and of its script."""
    modules: tuple[QontrolModule, ...]
    """Modules from the first of the daisy chain on."""

    def __post_init__(self) -> None:
        names = [module.name for module in self.modules]
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a name of a chain")
        if not names or len(set(names)) < len(names):
            raise ValueError(f"chain {self.name} must have different modules, got {names}")

    @property
    def num_channels(self) -> int:
        """Number of channels of all modules."""
        return sum(module.num_channels for module in self.modules)

    def module_at(self, channel: int) -> QontrolModule:
        """The module of a channel of the chain."""
        for module in self.modules:
            if channel < module.num_channels:
                return module
            channel -= module.num_channels
        raise ValueError(f"chain {self.name} has {self.num_channels} channels only")


def backplane_chains(
    modules: Iterable[int], kind: ModuleKind = DEFAULT_KIND
) -> tuple[QontrolChain, ...]:
    """Backplanes ``port0``, ``port1``, ... that hold modules ``module<number>``.

    Module n sits in slot n mod 8 of port n div 8, its channel c is channel 8 (n mod 8) + c of that
    port. Slots before it hold modules too, whether a shifter uses them or not: the chain is
    continuous.

    Args:
        modules: numbers of the modules that drive shifters.
        kind: of all modules.
    """
    last: dict[int, int] = {}
    for number in modules:
        port, slot = divmod(number, MODULES_PER_PORT)
        last[port] = max(slot, last.get(port, 0))
    return tuple(
        QontrolChain(
            name=f"port{port}",
            modules=tuple(
                QontrolModule(name=f"module{MODULES_PER_PORT * port + slot}", kind=kind)
                for slot in range(last[port] + 1)
            ),
        )
        for port in sorted(last)
    )
