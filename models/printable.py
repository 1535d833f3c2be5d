"""Text of other people, such as file names and ids, as it may be shown and written: one line."""

from __future__ import annotations

MAX_LINE = 400
"""Characters of a message."""
_TAIL = 140
"""Of them, at the end of a message that was cut: files are named first, reasons come last."""


def printable(text: str) -> str:
    r"""A text with ``\x1b`` and the like in place of characters that cannot be seen.

    Control characters would move the cursor of a terminal or break a line of a table; bytes of a
    file name that are not UTF-8 cannot be written at all.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name, as Python decodes it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode()


def one_line(text: str) -> str:
    """A message on one line of at most ``MAX_LINE`` printable characters, cut in its middle."""
    # What is cut away need not be looked at first.
    if len(text) > 4 * MAX_LINE:
        text = f"{text[: 2 * MAX_LINE]} ... {text[-2 * MAX_LINE :]}"
    line = printable(" ".join(text.split()))
    if len(line) <= MAX_LINE:
        return line
    return f"{line[: MAX_LINE - _TAIL - 5]} ... {line[-_TAIL:]}"
