"""Counter-based random generators named by a key.

A draw depends on its key alone: not on chunk size, worker count, order or on other draws. There is
no global seed and no state to save.
"""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray


def keyed_generator(seed: int, *key: str | int) -> np.random.Generator:
    """The generator that belongs to a seed and a key.

    The 128-bit key of Philox is the head of SHA-256 over the parts, each written as type and length
    followed by its bytes, so that ("a", "bc") differs from ("ab", "c") and 1 from "1".

    Args:
        seed: seed of the run, any integer.
        key: names and indices, for example chip index, layer, effect, shot.

    Returns:
        A new generator at the start of its stream; same arguments, same bits.

    Raises:
        TypeError: if a part is neither text nor an integer.

    Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC (2011) (Philox).
    """
    return np.random.Generator(np.random.Philox(_Key(stream_key(seed, *key))))


def stream_key(seed: int, *key: str | int) -> bytes:
    """The 16 bytes that name the stream of a seed and a key, as ``keyed_generator`` hashes them.

    Returns:
        The two 64-bit words of the key of Philox, each least significant byte first.

    Raises:
        TypeError: if a part is neither text nor an integer.
    """
    return hashlib.sha256(b"".join([_encode(part) for part in (seed, *key)])).digest()[:16]


class _Key(ISeedSequence):
    """The key itself as seed sequence: ``Philox(key=...)`` would ask the system for entropy first.

    Args:
        key: 16 bytes, the two 64-bit words of the key, least significant first.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key

    def generate_state(
        self, n_words: int, dtype: type[np.uint32 | np.uint64] = np.uint64
    ) -> NDArray[np.uint64]:
        """The words of the key; Philox asks for these two."""
        assert (n_words, dtype) == (2, np.uint64)
        return np.frombuffer(self.key, "<u8").astype(np.uint64)


def _encode(part: str | int) -> bytes:
    is_plain = type(part) is str or type(part) is int
    if not is_plain and (not isinstance(part, str | int | np.integer) or isinstance(part, bool)):
        raise TypeError(f"a key holds text and integers, got {part!r}")
    return _encoded(part)


@lru_cache(maxsize=4096)  # the same few names recur for every chip
def _encoded(part: str | int) -> bytes:
    kind, text = (b"s", part.encode()) if isinstance(part, str) else (b"i", str(int(part)).encode())
    return kind + str(len(text)).encode() + b":" + text
