"""New directories that appear under their name only when all their files are written."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

NamedFile = tuple[str, bytes]
"""Plain file name and content."""

_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def write_folder(files: Iterable[NamedFile], out_dir: str | Path) -> Path:
    """Write files into a new directory, by way of a hidden sibling that is renamed at the end.

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
    if out_dir.exists():
        raise FileExistsError(f"{out_dir} exists; nothing was overwritten")
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    folder = out_dir.with_name(f".{out_dir.name}.{secrets.token_hex(4)}")
    folder.mkdir()
    try:
        for name, content in files:
            if not _PLAIN.fullmatch(name):
                raise ValueError(f"{name!r} is not a plain file name")
            if (folder / name).exists():
                raise ValueError(f"two files are called {name!r}")
            (folder / name).write_bytes(content)
        os.rename(folder, out_dir)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return out_dir
