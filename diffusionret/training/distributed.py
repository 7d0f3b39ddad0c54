"""One process or many that train together.

Every process encodes its part of a batch, the features of all parts are gathered with their gradients, and each
process computes the loss of the whole batch: the mean of the processes' gradients is then that of one process with
the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, distributed, nn

T = TypeVar("T")


@runtime_checkable
class Process(Protocol):
    """What a training uses of `accelerate.Accelerator`, which is one."""

    @property
    def device(self) -> torch.device: ...
    @property
    def is_main_process(self) -> bool: ...
    @property
    def process_index(self) -> int: ...
    @property
    def num_processes(self) -> int: ...

    scaler: Any  # of gradients in half precision, None without

    def autocast(self) -> AbstractContextManager[Any]: ...
    def backward(self, loss: Tensor) -> None: ...
    def prepare_optimizer(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer: ...
    def clip_grad_norm_(self, parameters: Iterable[nn.Parameter], max_norm: float) -> Any: ...


class OneProcess:
    """A process on its own in full precision, which needs no package beside PyTorch."""

    is_main_process, process_index, num_processes = True, 0, 1
    scaler = None

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def autocast(self) -> AbstractContextManager[None]:
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def prepare_optimizer(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        return optimizer

    def clip_grad_norm_(self, parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
        return nn.utils.clip_grad_norm_(parameters, max_norm)


def is_shared() -> bool:
    """Whether other processes train along."""
    return distributed.is_available() and distributed.is_initialized()


class Gather(torch.autograd.Function):
    """The parts of all processes, one after the other, with the gradients that they have there.

    Every process computes the same loss of the whole, so the gradient of its own part, times the number of processes,
    is what the others would send back: nothing needs to be sent. `average_gradients` takes the factor out again.
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, x.contiguous())
        ctx.own = slice(len(x) * distributed.get_rank(), len(x) * (distributed.get_rank() + 1))
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient[ctx.own] * distributed.get_world_size()


def gather(x: Tensor) -> Tensor:
    """The rows of all processes, in their order, as `Gather`; with one process x itself."""
    return Gather.apply(x) if is_shared() else x


def average_gradients(module: nn.Module) -> None:
    """The mean over processes of all gradients of a module, in place."""
    if is_shared():
        for parameter in module.parameters():
            if parameter.grad is not None:
                distributed.all_reduce(parameter.grad)
                parameter.grad /= distributed.get_world_size()


def from_main(value: T) -> T:
    """The main process's value, on every process. It must be picklable; the others' is ignored."""
    if not is_shared():
        return value
    values = [value]
    distributed.broadcast_object_list(values)
    return values[0]
