"""What a reader found: crystals named by where they come from, and what it skipped and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.crystal.crystal import Crystal
from models.printable import one_line, printable

Getter = Callable[[], tuple[Crystal, ...]]
"""Decodes one structure of a file: its crystal, or its orderings. Raises CrystalError if it cannot
be used, so that it takes no other structure of the file along."""


@dataclass(frozen=True, eq=False)
class NamedCrystal:
    """A crystal and where it comes from.

    Attributes:
        source: the file, or ``file#id`` if the file holds several; printable.
        crystal: usable, as ``check_usable`` has it; its notes say how it was read.
        others: further orderings of a disordered structure; predictions are the mean of all.
    """

    source: str
    crystal: Crystal
    others: tuple[Crystal, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", printable(self.source))


@dataclass(frozen=True)
class Skipped:
    """One structure that was not used.

    Attributes:
        source: file, ``file#number`` or id of the entry; printable.
        reason: one line; names the site where one is to blame.
    """

    source: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", printable(self.source))
        object.__setattr__(self, "reason", one_line(self.reason))

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


def reason_of(error: BaseException) -> str:
    """The message of an error on one line of bounded length, its type if it has none."""
    return one_line(str(error)) or type(error).__name__
