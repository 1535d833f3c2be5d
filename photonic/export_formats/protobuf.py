"""The little of the protobuf wire format that a circuit of Perceval needs, and its strict reader.

A message is a sequence of fields; a field is a tag, (number << 3) | type, and a value. Types here:
0 varint, 1 eight bytes, 2 length and bytes.

Source: Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_VARINT, _FIXED64, _LENGTH = 0, 1, 2
_LONGEST_VARINT = 5
"""Bytes of a varint below 2^32, and no number of a circuit is larger."""

Value = int | float | bytes
"""Value of a varint, of a double and of a nested message."""


def varint_field(number: int, value: int) -> bytes:
    """A field that holds an integer >= 0; nothing for 0, its default."""
    return _varint(number << 3 | _VARINT) + _varint(value) if value else b""


def double_field(number: int, value: float) -> bytes:
    """A field that holds a double, 0 included."""
    return _varint(number << 3 | _FIXED64) + struct.pack("<d", value)


def message_field(number: int, payload: bytes) -> bytes:
    """A field that holds a message."""
    return _varint(number << 3 | _LENGTH) + _varint(len(payload)) + payload


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Numbers and values of the fields of a message.

    Args:
        data: the message.

    Raises:
        ValueError: if the message is truncated or holds another type of field.
    """
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _read_varint(data, position)
            yield number, value
            continue
        if kind == _FIXED64:
            size = 8
        elif kind == _LENGTH:
            size, position = _read_varint(data, position)
        else:
            raise ValueError(f"field {number} has the type {kind}, which no circuit has")
        if position + size > len(data):
            raise ValueError(f"field {number} is truncated")
        payload = data[position : position + size]
        position += size
        yield number, struct.unpack("<d", payload)[0] if kind == _FIXED64 else payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(data[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, position + count + 1
    raise ValueError("an integer is truncated or too long")
