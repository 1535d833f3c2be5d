"""What a batch left out, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Skipped:
    """One structure that was not used.

    Attributes:
        source: file, ``file#number`` or id of the entry.
        reason: one line; names the site where one is to blame.
    """

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


def one_line(error: BaseException) -> str:
    """The message of an error on one line of bounded length, its type if it has none."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."
