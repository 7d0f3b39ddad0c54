"""The kernel for CUDA against the torch form: in Triton's interpreter anywhere, and on a GPU where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from unittest.mock import patch

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import features, tiny_model

from diffusionret import sampling
from diffusionret.diffusion import make_schedule
from diffusionret.sampling import compilation, cuda, limits

pytest.importorskip("triton")
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}


def gap(
    dtype: torch.dtype, direction: str, queries: int, gallery: int, k: int, steps: int, seeds: int, eta: float,
    seed: int, device: str,
) -> float:  # fmt: skip
    """Largest difference between the kernel and the torch form, over x, x0_raw and x0."""
    from diffusionret.sampling import kernel

    network = tiny_model(seed).generator[direction].to(device, dtype)
    sizes = (queries, gallery) if direction == "t2v" else (gallery, queries)
    text, video = features(*sizes, seed=seed)
    g = torch.Generator().manual_seed(seed)
    candidates = torch.stack([torch.randperm(gallery, generator=g)[:k] for _ in range(queries)]).to(device)
    noise = torch.randn(seeds, queries, k, generator=g, dtype=dtype).to(device)
    schedule = make_schedule("cosine", steps)

    def states(form: object) -> sampling.States:
        with (
            patch.object(compilation, "loops_for", lambda *_: None),
            patch.object(cuda, "kernel_for", lambda *_: form),
        ):
            return sampling.sample(
                network, text.cls.to(device, dtype), video.frames.to(device, dtype), video.mask.to(device),
                candidates, direction, schedule, noise, eta=eta, generator=torch.Generator().manual_seed(9),
            )  # fmt: skip

    # Small parts, so that queries begin at other numbers than 0.
    with patch.object(limits, "MEMORY", 1 << 17):
        pairs = zip(states(kernel), states(None), strict=True)
        return max(((a - b).abs() / b.abs().clamp(min=1)).max().item() for a, b in pairs)


@pytest.fixture(scope="module")
def interpreted() -> Iterator[Callable[..., float]]:
    """`gap` in a process whose Triton runs kernels in Python."""
    with patch.dict(os.environ, {"TRITON_INTERPRET": "1"}):
        pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        with pool:
            yield lambda *values: pool.submit(gap, *values, "cpu").result()


CASES = {
    "dtype": st.sampled_from([torch.float32, torch.float64]),
    "direction": st.sampled_from(["t2v", "v2t"]),
    "queries": st.integers(1, 4),
    "gallery": st.integers(1, 9),
    "share": st.floats(0.1, 1.0),
    "steps": st.integers(1, 6),
    "seeds": st.integers(1, 3),
    "eta": st.sampled_from([0.0, 1.0]),
    "seed": st.integers(0, 5),
}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**CASES)
def test_the_kernel_in_the_interpreter(
    interpreted, dtype, direction, queries, gallery, share, steps, seeds, eta, seed
):
    k = max(int(share * gallery), 1)
    assert interpreted(dtype, direction, queries, gallery, k, steps, seeds, eta, seed) <= TOLERANCE[dtype]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("direction", ["t2v", "v2t"])
@pytest.mark.parametrize(
    ("k", "steps", "seeds", "eta"), [(32, 50, 1, 0.0), (33, 10, 16, 1.0), (128, 50, 2, 0.0)]
)
def test_the_kernel_on_a_gpu(dtype, direction, k, steps, seeds, eta):
    assert gap(dtype, direction, 40, 200, k, steps, seeds, eta, 0, "cuda") <= 10 * TOLERANCE[dtype]
    assert cuda.working_kernel(dtype, torch.zeros(1, device="cuda").device) is not None


def test_without_triton_the_torch_form_serves(caplog):
    broken = cuda.working_kernel.__wrapped__
    vars(sampling).pop("kernel", None)  # which a test on a GPU has imported
    with patch.dict("sys.modules", {"diffusionret.sampling.kernel": None}):
        assert broken(torch.float32, torch.device("cuda")) is None
    assert "slower" in caplog.text
