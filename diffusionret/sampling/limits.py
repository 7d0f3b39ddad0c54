"""How much the sampler takes at a time, of memory and of work."""

from __future__ import annotations

MEMORY = 256 << 20  # bytes of the largest intermediate tensor
PART = 32 << 20  # bytes that the compiled form prepares at a time
GRAIN = 256  # pairs that a thread mixes at least
CACHE = 8 << 20  # bytes that a step of the torch form reads on a CPU
