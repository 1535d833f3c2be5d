"""The end of a command by Ctrl-C or SIGTERM: one line and a proper exit status.

Imports take a second, or many on a slow disk. Until a command runs there is nothing to keep, so a
signal ends the process at once; a running command gets ``KeyboardInterrupt``, and cleans up.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

_WORDS: dict[int, str] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}

_AGAIN_S = 0.05
"""[s] after which a signal is answered again that came where nothing can be raised."""


@dataclass
class Stop:
    """The signal that has stopped a command, if one has."""

    number: int | None = None
    """Of the signal."""

    def __call__(self, number: int, frame: object) -> None:
        """Stop what the main thread does, once no machine code is being made or loaded.

        An exception in a callback of the compiler is ignored, or crashes the process.
        """
        self.number = number
        if _is_compiling():
            _send_again(number)
        else:
            raise KeyboardInterrupt


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Have signals raise ``KeyboardInterrupt`` in the main thread, and remember which it was."""
    stop = Stop()
    before, hook = answer(stop), sys.unraisablehook

    def sent_again(ignored: Any) -> None:
        """Where Python must ignore an exception, as in a callback of the compiler, try later."""
        if stop.number is None or ignored.exc_type is not KeyboardInterrupt:
            hook(ignored)
            return
        _send_again(stop.number)

    sys.unraisablehook = sent_again
    try:
        yield stop
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_compiling() -> bool:
    """True while numba compiles a function or loads one that was compiled before."""
    module = sys.modules.get("numba.core.compiler_lock")
    return module is not None and module.global_compiler_lock.is_locked()


def _send_again(number: int) -> None:
    later = threading.Timer(_AGAIN_S, _thread.interrupt_main, (number,))
    later.daemon = True
    later.start()


def stop_text(number: int) -> str:
    """The line about a signal that has ended a command; its exit status is 128 + number."""
    return f"lightframe: {_WORDS[number]}; what is finished is kept"


def end(number: int, frame: object) -> NoReturn:
    """End the process at once, as long as there is nothing to keep."""
    os.write(2, f"{stop_text(number)}\n".encode())
    os._exit(128 + number)


def answer(handler: Callable[[int, object], object]) -> dict[int, Any]:
    """Answer both signals, unless this process is to ignore them; the handlers before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    known = {number: signal.getsignal(number) for number in _WORDS}
    before = {n: h for n, h in known.items() if h is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    return before
