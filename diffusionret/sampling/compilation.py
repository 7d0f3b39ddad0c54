"""Compilation of loops.py in the background, in one thread for each dtype asked for."""

from __future__ import annotations

import atexit
import logging
from threading import Lock, Thread
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

log = logging.getLogger(__name__)

PATIENCE = 64  # (query, seed) pairs of a call that make compiling worth its while


class Compiler:
    """ready: loops.py by the dtype that it is compiled for."""

    def __init__(self) -> None:
        self.ready: dict[torch.dtype, ModuleType] = {}
        self._threads: dict[torch.dtype, Thread] = {}
        self._lock = Lock()

    def start(self, dtype: torch.dtype) -> Thread:
        """The thread that compiles for a dtype, started where it was not yet."""
        with self._lock:
            if dtype not in self._threads:
                name = f"compile sampler {dtype}"
                thread = self._threads[dtype] = Thread(
                    target=self._compile, args=[dtype], name=name, daemon=True
                )
                thread.start()
                atexit.register(thread.join)  # the process must not end while LLVM is at work
            return self._threads[dtype]

    def _compile(self, dtype: torch.dtype) -> None:
        try:
            from . import loops

            loops.compile_for(np.float32 if dtype == torch.float32 else np.float64)
            self.ready[dtype] = loops
        except Exception:  # whatever stops numba, the torch form gives the same result
            log.warning("The sampler's loops could not be compiled: it runs slower, in torch.", exc_info=True)


COMPILER = Compiler()


def warm_up(wait: bool = False, dtype: torch.dtype = torch.float32, at_most: float | None = None) -> None:
    """Compile the CPU's loops in the background: seconds the first time, then they come from numba's cache in
    half a second.

    For programs that will sample again and again. wait: until it is done, so that every result comes from
    the same loops, digit for digit; at_most: so many seconds. dtype: float32 or float64.
    """
    thread = COMPILER.start(dtype)
    if wait:
        thread.join(at_most)


def loops_for(like: Tensor, runs: int) -> ModuleType | None:
    """loops.py, where its loops serve tensors as `like` and are compiled. runs: (query, seed) pairs of the call; many
    of them start a compilation."""
    if like.device.type != "cpu":
        return None
    if like.dtype not in COMPILER.ready and runs >= PATIENCE:
        COMPILER.start(like.dtype)
    return COMPILER.ready.get(like.dtype)
