"""Work spread over threads: the compiled loops release the interpreter's lock and start no threads themselves."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from itertools import pairwise

import torch


def spread(work: Callable[[int, int], None], count: int, grain: int) -> None:
    """work(first, last) over ranges of 0..count of `grain` or more, on as many threads as torch uses.

    Returns when nobody works any more; then raises the first error of `work`, if there was one.
    """
    threads = torch.get_num_threads()
    ranges = min(count // grain, 4 * threads)  # more than threads: some cores have more time than others
    if threads == 1 or ranges < 2:
        work(0, count)
        return
    left = deque(pairwise([count * i // ranges for i in range(ranges + 1)]))

    def some() -> None:
        while True:
            try:
                first, last = left.popleft()
            except IndexError:  # nothing is left
                return
            work(first, last)

    submitted = [helpers().submit(some) for _ in range(threads - 1)]
    try:
        some()
    finally:  # after an error, too, nobody works on when this returns
        left.clear()
        begun = [helper for helper in submitted if not helper.cancel()]
        wait(begun)
    for helper in begun:
        helper.result()


@lru_cache(maxsize=1)
def helpers() -> ThreadPoolExecutor:
    """Threads that stay, for starting one takes as long as a query's steps."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="sampler")


if hasattr(os, "register_at_fork"):  # a forked child has none of the threads
    os.register_at_fork(after_in_child=helpers.cache_clear)
