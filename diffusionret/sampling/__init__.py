"""The exact sampler of the published generator: what `diffusion.ddim` over a `Denoiser` gives, with hundreds of times
fewer operations.

factorisation.py derives what a step needs: for each candidate a row of `Plan.columns`, and for each pair of a text and
a video that it pools two parts of a logit. sampler.py checks what it is given and runs a part of the queries at a time
in one of three forms. On a CPU (cpu.py) loops compiled with numba (loops.py) take a query at a time, whose rows then
stay in the cache, and spread queries over as many threads as torch uses (threads.py). On CUDA (cuda.py) one kernel
(kernel.py) runs all steps of all queries. The torch form (torch_loop.py) serves other devices, CUDA without Triton,
and a CPU as long as the loops are not compiled: that happens in the background, on `warm_up` or at the first large
call (compilation.py).

What candidates are multiplied with is linear in the frames that they pool, so a gallery that is searched again and
again may have its features multiplied beforehand (prepared.py).
"""

from .compilation import warm_up
from .prepared import prepare
from .sampler import States, sample

__all__ = ["States", "prepare", "sample", "warm_up"]
