"""The sampler on the GPU, against the plain loop there and against the card's limit."""

from __future__ import annotations

import torch

from diffusionret.model import DIRECTIONS

from .plain import plain_loop
from .timing import median, side_by_side
from .workload import STEPS, features, to, wide_model


@torch.no_grad()
def gpu(quick: bool) -> list[dict]:
    """1,000 queries, 32 candidates, 50 steps on the GPU `card`, both ways together, in milliseconds; `limit` is what
    the matrix product over all candidates alone takes at the best rate that this card shows for a large one."""
    if not torch.cuda.is_available():
        return []
    size, k, dim = (100 if quick else 1000), 32, 512
    model = wide_model().cuda()
    text, video = features(model, size, size)
    text, video = to(text, "cuda"), to(video, "cuda")
    candidates = torch.rand(size, size, generator=torch.Generator().manual_seed(1)).topk(k).indices.cuda()
    noise = torch.randn(size, k, generator=torch.Generator().manual_seed(0)).cuda()

    def exact() -> None:
        for d in DIRECTIONS:
            model.generate(text, video, candidates, d, steps=STEPS, noise=noise)

    def plain() -> None:
        for d in DIRECTIONS:
            plain_loop(model, text, video, candidates, d, noise)

    exact()
    plain()
    row = side_by_side(plain, {"sampler": exact}, budget=1.0)
    square = torch.randn(4096, 4096, device="cuda")
    rate = 2 * 4096**3 / median(lambda: square @ square)
    columns = 2 * (2 * dim) + 1 + STEPS
    limit = 2 * dim * columns * (size * k + size) / rate  # the texts' rows are shared in the mirror direction
    taken = {name: 1000 * value for name, value in row.items()}
    return [
        {"card": torch.cuda.get_device_name(), "torch": torch.__version__}
        | taken
        | {"ratio": row["plain"] / row["sampler"], "limit": 1000 * limit, "reached": limit / row["sampler"]}
    ]
