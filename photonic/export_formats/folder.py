"""New directories that appear under their name only when all their files are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from photonic.files import create_file, new_folder

NamedFile = tuple[str, bytes]
"""Plain file name and content."""

_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def write_folder(files: Iterable[NamedFile], out_dir: str | Path) -> Path:
    """Write files into a new directory, by way of a sibling that is renamed at the end.

    Args:
        files: names and contents; taken one by one, so that they need not all fit in memory.
        out_dir: directory to create; its parents are created too.

    Returns:
        The directory.

    Raises:
        FileExistsError: if ``out_dir`` exists.
        ValueError: if a name is not a plain file name or occurs twice.
    """
    out_dir = Path(out_dir)
    with new_folder(out_dir) as folder:
        for name, content in files:
            if not _PLAIN.fullmatch(name):
                raise ValueError(f"{name!r} is not a plain file name")
            if (folder / name).exists():
                raise ValueError(f"two files are called {name!r}")
            create_file(folder / name, [content])
    return out_dir
