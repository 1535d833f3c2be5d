"""Ways to spoil a file: bits, tokens, numbers, keys, nesting, encodings, and what is no file.

All randomness comes from the generator that is passed in, so that an input is known by its number.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Any

import yaml


class Special(Enum):
    """What may lie in the place of a file."""

    PIPE = "pipe"
    DEVICE = "link to /dev/zero"
    LOOP = "link to itself"
    NOWHERE = "link to nowhere"
    FOLDER = "folder"
    SPARSE = "a terabyte of nothing"


Content = bytes | Special
Mutation = Callable[[bytes, Random], bytes]
MAX_SIZE = 4_000_000
"""Bytes of a spoilt file."""
NUMBERS = (
    *("0", "-0", "-1", "1e-300", "1e300", "-1e300", "1e999", "nan", "inf", "-inf", "0x10"),
    *("1_000", "1e12", "1e5", "1e-12", "1000000000", "2.5", "1:1:1", "٣", "9" * 400, "9" * 5000),
    *(str(n) for n in (2**31, 2**63, 2**64, -(2**63), 10**18)),
)
WORDS = (
    *("null", "true", "~", "?", ".", "-", "Xx", "!!bool", "!!float", "!!python/object:os.system"),
    *("<<:", "&a", "*a", "[", "]", "{", "}", "(", ")", ",", ";", "'", '"', "#", "data_", "loop_"),
    *("../../etc/passwd", "/dev/zero", "\\ud800", "\x1b[31m", "\x00", "\x85", "\u2028", "\u202e"),
    *("é", "\r", "\n\n", "x" * 3000),
)
_NUMBER = re.compile(rb"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
_WORD = re.compile(rb"[\w./+-]+")


def _replace(data: bytes, match: re.Match[bytes], new: bytes) -> bytes:
    return data[: match.start()] + new + data[match.end() :]


def flip_bits(data: bytes, rng: Random) -> bytes:
    """Some bits, anywhere."""
    spoilt = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if spoilt else 0):
        spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def truncate(data: bytes, rng: Random) -> bytes:
    """The beginning or the end alone."""
    cut = rng.randrange(len(data) + 1)
    return data[:cut] if rng.random() < 0.8 else data[cut:]


def move_slices(data: bytes, rng: Random) -> bytes:
    """A piece removed, doubled, or put elsewhere."""
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    piece, rest = data[a:b], data[:a] + data[b:]
    place = rng.randrange(len(rest) + 1)
    return rng.choice((rest, data[:b] + piece + data[b:], rest[:place] + piece + rest[place:]))


def change_lines(data: bytes, rng: Random) -> bytes:
    """Lines removed, doubled, swapped, or repeated thousands of times."""
    lines = data.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(4)
    if kind == 0:
        del lines[a]
    elif kind == 1:
        lines[a], lines[b] = lines[b], lines[a]
    else:
        times = rng.choice((1, 3, 200)) if kind == 2 else 20_000
        lines[a:a] = lines[a : a + 1] * min(times, MAX_SIZE // (len(lines[a]) + 1))
    return b"\n".join(lines)


def change_numbers(data: bytes, rng: Random) -> bytes:
    """A number replaced by one that is too large, small, long, or none."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return data + b"1"
    match = rng.choice(found)
    old = match[0]
    choices = (rng.choice(NUMBERS).encode(), b"-" + old, old * 50, old + b"e9", old + b"000000")
    return _replace(data, match, rng.choice(choices))


def change_words(data: bytes, rng: Random) -> bytes:
    """A word replaced by another one of the file, or by a hostile one; or spoilt by a letter."""
    found = list(_WORD.finditer(data))
    if not found:
        return data + b"x"
    match = rng.choice(found)
    word = match[0]
    other = rng.choice((rng.choice(found)[0], rng.choice(WORDS).encode(), b"", word[:-1]))
    return _replace(data, match, other)


def insert_word(data: bytes, rng: Random) -> bytes:
    """A hostile word somewhere."""
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.choice(WORDS + NUMBERS).encode() + data[place:]


def insert_run(data: bytes, rng: Random) -> bytes:
    """One character, or one bracket, tens of thousands of times."""
    place = rng.randrange(len(data) + 1)
    unit = rng.choice(
        (b"9", b" ", b"\n", b"\t", b"[", b'{"a":', b"- ", b"'", b" '", b"(", b"\0", b";\n")
    )
    run = unit * rng.choice((100, 5000, 100_000))
    return data[:place] + run + data[place:]


def change_encoding(data: bytes, rng: Random) -> bytes:
    """The same text in another encoding, or packed."""
    text = data.decode("utf-8", "replace")
    kind = rng.randrange(7)
    if kind == 0:
        return text.encode("utf-16")
    if kind == 1:
        return b"\xef\xbb\xbf" + data
    if kind == 2:
        return data.replace(b"\n", rng.choice((b"\r\n", b"\r")))
    if kind == 3:
        return data.replace(b"e", b"\xe9", 1)
    if kind == 4:
        return gzip.compress(data, 1, mtime=0)
    if kind == 5:
        return gzip.compress(data, 1, mtime=0)[: rng.randrange(10, 200)]
    return gzip.compress(b" " * 80_000_000 + data, 1, mtime=0)


def change_tree(data: bytes, rng: Random) -> bytes:
    """A value, key or list in the tree of a JSON or YAML file changed, removed or multiplied."""
    is_json = data.lstrip()[:1] in (b"{", b"[")
    try:
        tree = json.loads(data) if is_json else yaml.safe_load(data)
        spoilt = _changed(tree, rng)
        return (json.dumps(spoilt) if is_json else yaml.safe_dump(spoilt)).encode()
    except (ValueError, yaml.YAMLError, RecursionError, LookupError, AttributeError):
        return change_numbers(data, rng)


def _changed(tree: Any, rng: Random) -> Any:
    keys = (
        list(tree)
        if isinstance(tree, dict)
        else list(range(len(tree)) if isinstance(tree, list) else ())
    )
    if not keys or rng.random() < 0.15:
        return _hostile_value(tree, rng)
    key = rng.choice(keys)
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    if rng.random() < 0.15:
        del copy[key]
    elif rng.random() < 0.1 and isinstance(copy, dict):
        copy[str(rng.choice((*keys, *WORDS)))] = copy.pop(key)
    elif rng.random() < 0.1 and isinstance(copy, list):
        copy += [copy[key]] * rng.choice((1, 1000))
    else:
        copy[key] = _changed(copy[key], rng)
    return copy


def _hostile_value(old: Any, rng: Random) -> Any:
    if isinstance(old, float | int) and not isinstance(old, bool) and rng.random() < 0.5:
        return rng.choice((-old, old * 1e6, old * 1e-9, old + 1, 0, 10**30, float("nan"), 1e308))
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    values = (None, True, -1, 0, 2**70, 1e300, float("inf"), "", "x" * 2000, "\x1b[0m\n", [], {})
    return rng.choice((*values, [old], {"a": old}, str(old)[:100], [0] * 3000, [[]] * 50, deep))


def change_header(data: bytes, rng: Random) -> bytes:
    """The JSON header of a safetensors file changed, its length kept true or not."""
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= len(data) - 8:
        return flip_bits(data, rng)
    header = change_tree(data[8 : 8 + length], rng)
    claimed = len(header) if rng.random() < 0.8 else rng.choice((0, 2**40, len(data)))
    return claimed.to_bytes(8, "little") + header + data[8 + length :]


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    truncate,
    move_slices,
    change_lines,
    change_numbers,
    change_numbers,
    change_words,
    change_words,
    insert_word,
    insert_run,
    change_encoding,
    change_tree,
    change_tree,
)


def spoilt(name: str, data: bytes, rng: Random) -> Content:
    """What takes the place of a file.

    Args:
        name: of the file; its ending chooses among the ways.
        data: its content.
        rng: generator.
    """
    if rng.random() < 0.04:
        return rng.choice(list(Special))
    is_packed = data[:2] == b"\x1f\x8b"
    if is_packed and rng.random() < 0.7:
        data = gzip.decompress(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        is_tensors = name.endswith(".safetensors") and rng.random() < 0.6
        mutation = change_header if is_tensors else rng.choice(MUTATIONS)
        data = mutation(data, rng)[:MAX_SIZE]
    return gzip.compress(data, 1, mtime=0) if is_packed and rng.random() < 0.7 else data
