"""What an inspection costs beside a search."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from diffusionret import Retriever


def latency(retriever: Retriever, texts: Sequence[str]) -> dict:
    """Median milliseconds of a search, and of the report beyond it, single words aside; every text is asked once."""
    search, beyond = [], []
    for text in texts:
        begun = time.perf_counter()
        retriever.search(text)
        between = time.perf_counter()
        retriever.inspect_many([text])
        search.append(1000 * (between - begun))
        beyond.append(1000 * (time.perf_counter() - between))
    return {"search ms": round(float(np.median(search)), 1), "inspect ms": round(float(np.median(beyond)), 1)}
