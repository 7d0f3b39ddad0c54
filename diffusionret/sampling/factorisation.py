"""The denoiser's weights rearranged so that a step of sampling costs next to nothing.

Letters: c are text features, V videos as a text pools them, P the candidates (one of the two), e the time
embedding of a step, M = W_k' W_q; W_a and W_b are the decoder's first layer where it reads the context and
the candidate. Without a change of its result, the network (denoiser.py) becomes:

- Attention. For a text query q.k = (c + e).M'(V_k + e), and all that does not depend on the candidate k
  cancels in the softmax: w = softmax(V_k.Mc + V_k.Me + x). For a video query, which is pooled anew for each
  candidate, w = softmax(V_k.M'c_k + V_k.M'e + c_k.Me + x). First terms once a query, the others products
  with a table.
- Context. The weights sum to 1, so W_o(w W_v(P + e)) + b_o = w (P (W_o W_v)') + W_o W_v e + b_o.
- Hidden layer. relu(a + Z_k) with Z = P W_b' and, for all candidates alike, a = w U + g, where U = P (W_a
  W_o W_v)' and g = W_a (W_o W_v e + b_o) + b_1.
- Output. relu(a + z) = max(a, -z) + z, and |w_2| moves inside: w_2.relu(a + Z_k) = sum of max(a, N_k) where
  w_2 > 0, minus the same sum where w_2 <= 0, plus w_2.Z_k, with a and N = -Z scaled by |w_2|.

A step is one softmax, one [candidate hidden] product and one sum of maxima. U, N, w_2.Z and P.Me are the
columns of one matrix product over the candidates.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..denoiser import Denoiser
from ..diffusion import Schedule

PLANS = 8  # schedules (times directions, dtypes, devices) that stay prepared for a network


class Plan(NamedTuple):
    """A network's weights rearranged for one direction and schedule, steps in the order of sampling.

    turn [dim dim]: text row -> the row that a pooled video is multiplied with. columns [column dim]:
    candidate -> U, N (hidden each), w_2.Z (1) and time logits (step). clock [step dim]: pooled video ->
    time logits; no step for text queries. shift [step hidden]: g. sign [hidden]: 1 where w_2 > 0, these
    come first and are so many as `positive` says, else -1. bias [1]: b_2.
    """

    turn: Tensor
    columns: Tensor
    clock: Tensor
    shift: Tensor
    sign: Tensor
    bias: Tensor
    positive: int


class _Products(NamedTuple):
    """What no schedule changes, in float64 on the CPU: products of products lose digits, and not every device
    knows float64. m [dim dim]; context [hidden dim] and offset [hidden], which make g of e; heads
    [2 hidden + 1, dim], the rows for U, N and w_2.Z; sign [hidden]."""

    m: Tensor
    context: Tensor
    offset: Tensor
    heads: Tensor
    sign: Tensor


_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


class _Marks:
    """Notices when a weight of a network changes: by its place in the network, address and version counter, and by
    some of the numbers themselves, for a write to `.data` does not count as a version."""

    def __init__(self, network: Denoiser) -> None:
        modules = list(network.modules())
        self._children = [(module, name, it) for module in modules for name, it in module._modules.items()]
        self._places = [(module, name, it) for module in modules for name, it in module._parameters.items()]
        self._weights = list(network.parameters())
        self._counted = [weight for weight in self._weights if not weight.is_inference()]
        self._state = self._look()
        # Views, which keep their memory from being given to other weights of the same address. Every search looks at
        # the numbers, and NumPy looks sooner than torch.
        flat = [weight.detach().reshape(-1) for weight in self._weights]
        some = [weight[:: len(weight) // 64 | 1] for weight in flat]
        on_cpu = all(weight.device.type == "cpu" for weight in flat)
        self._arrays = [n.view(_BITS[n.itemsize]).numpy() for n in some] if on_cpu else []
        self._tensors = [] if on_cpu else some
        self._numbers = self._read()

    def _look(self) -> tuple[list[int], list[int]]:
        return [weight.data_ptr() for weight in self._weights], [weight._version for weight in self._counted]

    def _read(self) -> list[bytes] | list[float]:
        if self._tensors:
            return torch.cat(self._tensors).tolist()
        return [numbers.tobytes() for numbers in self._arrays]

    def hold(self) -> bool:
        """Whether all is as it was."""
        return (
            all(module._modules.get(name) is it for module, name, it in self._children)
            and all(module._parameters.get(name) is it for module, name, it in self._places)
            and self._state == self._look()
            and self._numbers == self._read()
        )


@dataclass
class _Network:
    """What is known of a network until a weight changes: its products, and the plans made of them by key."""

    marks: _Marks
    products: _Products
    plans: OrderedDict[tuple, Plan] = field(default_factory=OrderedDict)


_NETWORKS: WeakKeyDictionary[Denoiser, _Network] = WeakKeyDictionary()
_LOCK = Lock()


def make_plan(
    network: Denoiser, direction: str, schedule: Schedule, dtype: torch.dtype, device: torch.device
) -> Plan:
    """The plan of a network, kept for the next call until a weight changes."""
    key = (direction, dtype, device, tuple(schedule.timesteps.tolist()))
    with _LOCK:
        known = _NETWORKS.get(network)
        if known is None or not known.marks.hold():
            known = _NETWORKS[network] = _Network(_Marks(network), _products(network))
        if key not in known.plans:
            plan = _plan(network, known.products, direction, schedule)
            placed = {
                name: part.to(device, dtype).contiguous()
                for name, part in plan._asdict().items()
                if isinstance(part, Tensor)
            }
            known.plans[key] = plan._replace(**placed)
        known.plans.move_to_end(key)
        if len(known.plans) > PLANS:
            known.plans.popitem(last=False)
        return known.plans[key]


def _products(network: Denoiser) -> _Products:
    def get(weight: Tensor) -> Tensor:
        return weight.detach().to("cpu", torch.float64)

    first, last = _layers(network)
    w_a, w_b = get(first.weight).split(network.dim, dim=1)
    w_2 = get(last.weight)[0]
    order = torch.cat([(w_2 > 0).nonzero()[:, 0], (w_2 <= 0).nonzero()[:, 0]])
    scale = w_2.abs()[order, None]
    context = scale * (w_a @ (get(network.proj.weight) @ get(network.v_proj.weight)))[order]
    return _Products(
        m=get(network.k_proj.weight).T @ get(network.q_proj.weight),
        context=context,
        offset=scale[:, 0] * (w_a @ get(network.proj.bias) + get(first.bias))[order],
        heads=torch.cat([context, -scale * w_b[order], (w_2 @ w_b)[None]]),
        sign=torch.where(w_2[order] > 0, 1.0, -1.0),
    )


def _plan(network: Denoiser, products: _Products, direction: str, schedule: Schedule) -> Plan:
    m, context, offset, heads, sign = products
    e = network.time(schedule.timesteps.flip(0).to(network.time.table.device)).to("cpu", torch.float64)
    mirrored = direction == "v2t"
    return Plan(
        turn=m.T if mirrored else m,
        columns=torch.cat([heads, e @ m.T]),
        clock=e @ m if mirrored else e[:0],
        shift=e @ context.T + offset,
        sign=sign,
        bias=_layers(network)[1].bias.detach(),
        positive=int((sign > 0).sum()),
    )


def _layers(network: Denoiser) -> tuple[nn.Linear, nn.Linear]:
    """The two layers of the decoder."""
    first, _, last = network.decoder
    assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
    return first, last
