"""RunRecord: what produced a result, kept beside every result."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

_PACKAGES = (
    "lightframe",
    "torch",
    "numpy",
    "numba",
    "scipy",
    "pymatgen",
    "spglib",
    "safetensors",
    "scikit-learn",
    "xarray",
    "matplotlib",
)

_MISSING = object()
_SHOWN = 60
"""Characters of a value that a message shows."""


class RunRecord(BaseModel):
    """Config, seed, versions, commit and data hash of one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    """Command line that the process was started with."""
    config: dict[str, Any]
    """Complete, validated configuration."""
    seed: int
    """Seed of every draw."""
    data_sha256: dict[str, str]
    """Data set name to hash of its decoded records."""
    versions: dict[str, str]
    """Package name to installed version."""
    commit: str | None
    """Commit of the source tree; None outside a checkout."""
    is_dirty: bool | None
    """True if tracked files differed from that commit."""
    created: str
    """UTC time, ISO 8601."""

    @property
    def key(self) -> dict[str, Any]:
        """What must be equal for a killed run to be continued: all but command and time."""
        return self.model_dump(mode="json", exclude={"command", "created"})

    @classmethod
    def capture(
        cls, command: str, config: dict[str, Any], seed: int, data_sha256: dict[str, str]
    ) -> RunRecord:
        """The record of a run that starts now."""
        commit = _git("rev-parse", "HEAD")
        status = _git("status", "--porcelain", "--untracked-files=no") if commit else None
        return cls(
            command=command,
            config=config,
            seed=seed,
            data_sha256=data_sha256,
            versions={**_versions(), "python": platform.python_version()},
            commit=commit,
            is_dirty=None if status is None else bool(status),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _PACKAGES}


def _git(*arguments: str) -> str | None:
    """Output of git in the source tree; None if this is not a checkout or git is absent."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def differences(name: str, before: Any, now: Any) -> Iterator[str]:
    """Entries "field (was 1, is 2)" of two JSON-able values, the field as a path below a name."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            inner = f"{name}.{key}" if name else key
            yield from differences(inner, before.get(key, _MISSING), now.get(key, _MISSING))
    elif before != now:
        yield f"{name} (was {_shown(before)}, is {_shown(now)})"


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "absent"
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
