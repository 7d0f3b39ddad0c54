"""The open-set generator: which candidates match a query, as bits that a diffusion model draws.

x_0 in {-1, +1}^K over the candidates, +1 where the pair is true and all -1 where none is: analog bits (Chen et
al. 2022, arXiv 2208.04202). Several candidates may match, or none, so a sample is a set, and the mean over
samples of (x_0 + 1) / 2 is the probability that a candidate matches.

What does not depend on the noise is computed once a query (`OpenSetDenoiser.context`): how each word fits the
frame that shows it, and attention among the candidates. A step of denoising then runs a small transformer.
Both are equivariant to permutations of the candidates, and the same network serves both directions.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, gelu, normalize

from ..config import GeneratorConfig, OpenSetConfig
from ..diffusion import Schedule, ddim
from ..encoders import TextFeatures, VideoFeatures
from ..readout import BITS, Readout
from ..sampling import States
from ..similarity import counting_positions
from .interface import DIRECTIONS, Generator

# Bytes of intermediate results that a part of a large batch may take.
MEMORY = 2**25
# Beyond this log odds a bit is certain in float32, and its gradient is zero.
CERTAIN = 30.0


class Pairs(NamedTuple):
    """Queries and candidates: features of texts and videos, and which of them stand in each pair.

    token_weights [text token], frame_weights [video frame]: as in the similarity. text_of, video_of: indices
    [query candidate]; an axis that all pairs of a query share has size 1.
    """

    text: TextFeatures
    video: VideoFeatures
    token_weights: Tensor
    frame_weights: Tensor
    text_of: Tensor
    video_of: Tensor


def make_pairs(
    text: TextFeatures,
    video: VideoFeatures,
    token_weights: Float[Tensor, "text token"],
    frame_weights: Float[Tensor, "video frame"],
    candidates: Int[Tensor, "query candidate"],
    direction: str,
) -> Pairs:
    """The pairs of a direction: "t2v" (the queries are the texts, the candidates videos) or "v2t". Positions of words
    that count for nothing in any text are left out."""
    kept = counting_positions(text.mask)
    text, token_weights = (
        TextFeatures(text.cls, text.tokens[:, kept], text.mask[:, kept]),
        token_weights[:, kept],
    )
    queries = torch.arange(len(candidates), device=candidates.device)[:, None]
    of = (queries, candidates) if direction == "t2v" else (candidates, queries)
    return Pairs(text, video, token_weights, frame_weights, *of)


def candidate_sets(
    scores: Float[Tensor, "query gallery"], there: Bool[Tensor, "query gallery"], count: int
) -> Int[Tensor, "query candidate"]:
    """The `count` best of what is there for each query; where less is there, the best of the rest follow."""
    return torch.where(there, scores, scores - 1e3).topk(count, dim=1).indices


class PairEncoder(nn.Module):
    """What is seen of each (query, candidate) pair: [query candidate width].

    Every word attends to the frames (softmax of its cosines with them over `temperature`); the product of the
    word with what it finds, both in learned axes, goes through a small network, and what comes out is pooled
    over the words by mean and maximum: one word that does not fit is enough to tell. The end token does the
    same once more. Beside them go the similarity, the end token's cosine with what it finds, and how far the
    similarity is below the best candidate's, on three scales: a tenth is far or near, as the features are trained.
    """

    def __init__(self, dim: int, width: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.word = nn.Linear(dim, width)
        self.frame = nn.Linear(dim, width)
        self.check = nn.Linear(width, width)
        self.merge = nn.Linear(3 * width, width)
        self.numbers = nn.Linear(5, width)

    def forward(self, pairs: Pairs) -> Float[Tensor, "query candidate width"]:
        text, video = pairs.text, pairs.video
        words = normalize(torch.cat([text.cls[:, None], text.tokens], dim=1), dim=-1)  # the end token first
        frames = normalize(video.frames, dim=-1)
        # Both axes of a direction are of size 1 / sqrt(dim): the product is brought back to about 1.
        seen = words, frames, self.word(words) * words.shape[-1], self.frame(frames)
        queries, count = len(pairs.text_of), max(pairs.text_of.shape[1], pairs.video_of.shape[1])
        most = queries if torch.is_grad_enabled() else MEMORY // (4 * count * seen[2][0].numel())
        parts = zip(pairs.text_of.split(max(most, 1)), pairs.video_of.split(max(most, 1)), strict=True)
        return torch.cat([self._of(pairs._replace(text_of=t, video_of=v), *seen) for t, v in parts])

    def _of(
        self, pairs: Pairs, words: Tensor, frames: Tensor, word_axes: Tensor, frame_axes: Tensor
    ) -> Float[Tensor, "query candidate width"]:
        """Some queries. words, frames: directions; their axes: the learned ones, [text word width] and [video frame
        width]."""
        of_text, of_video = pairs.text_of, pairs.video_of
        cosine = words[of_text] @ frames[of_video].transpose(-1, -2)  # [query candidate word frame]
        hidden = (pairs.video.mask == 0)[of_video][:, :, None, :]
        attention = (cosine / self.temperature).masked_fill(hidden, float("-inf")).softmax(dim=-1)
        fit = gelu(word_axes[of_text] * (attention @ frame_axes[of_video]))
        fit = gelu(self.check(fit))
        unread = (pairs.text.mask == 0)[of_text][..., None]
        of_words = fit[:, :, 1:]
        mean = of_words.masked_fill(unread, 0.0).sum(2) / (~unread).sum(2).clamp(min=1)
        peak = of_words.masked_fill(unread, float("-inf")).amax(dim=2)
        merged = self.merge(torch.cat([fit[:, :, 0], mean, peak], dim=-1))
        similarity = token_interaction(cosine[:, :, 1:], pairs)
        own = (attention[:, :, 0] * cosine[:, :, 0]).sum(-1)
        below = similarity - similarity.amax(dim=1, keepdim=True)
        close = [(scale * below).exp() for scale in (20, 60)]
        numbers = torch.stack([10 * similarity, 10 * own, 10 * below, *close], dim=-1)
        return merged + self.numbers(numbers)


def token_interaction(
    cosine: Float[Tensor, "query candidate token frame"], pairs: Pairs
) -> Float[Tensor, "query candidate"]:
    """The weighted token interaction of each pair, as `similarity.wti` computes it for all pairs."""
    of_text, of_video = pairs.text_of, pairs.video_of
    cosine = cosine * pairs.text.mask[of_text][..., :, None] * pairs.video.mask[of_video][..., None, :]
    t2v = (cosine.amax(dim=3) * pairs.token_weights[of_text]).sum(-1)
    v2t = (cosine.amax(dim=2) * pairs.frame_weights[of_video]).sum(-1)
    return (t2v + v2t) / 2


class Block(nn.Module):
    """A pre-norm transformer layer over the candidates, without positions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Float[Tensor, "query candidate width"]) -> Float[Tensor, "query candidate width"]:
        q, k, v = self.qkv(self.norm_1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.out(mixed)
        return x + self.mlp(self.norm_2(x))


class OpenSetDenoiser(nn.Module):
    """Log odds of each bit, given the query, its candidates and the noisy bits x_t."""

    def __init__(self, dim: int, config: OpenSetConfig) -> None:
        super().__init__()
        width, state = config.width, config.state_width
        self.pairs = PairEncoder(dim, width, config.attention_temperature)
        self.direction = nn.ParameterDict({d: nn.Parameter(torch.zeros(width)) for d in DIRECTIONS})
        self.among = nn.Sequential(*(Block(width, config.heads) for _ in range(config.layers)))
        self.given = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, state))
        self.noisy = nn.Linear(2, state)
        self.level = nn.Sequential(nn.Linear(2, state), nn.SiLU(), nn.Linear(state, state))
        self.steps = nn.Sequential(*(Block(state, config.heads) for _ in range(config.state_layers)))
        odds = nn.Linear(state, 1)
        nn.init.constant_(odds.bias, -3.0)  # most candidates do not match
        self.read = nn.Sequential(nn.LayerNorm(state), odds)

    def context(self, pairs: Pairs, direction: str) -> Float[Tensor, "query candidate state"]:
        """All that the steps need of the query and its candidates; it does not depend on the noise."""
        return self.given(self.among(self.pairs(pairs) + self.direction[direction]))

    def forward(
        self,
        context: Float[Tensor, "query candidate state"],
        x: Float[Tensor, "query candidate"],
        alpha_bar: Float[Tensor, " query"],
    ) -> Float[Tensor, "query candidate"]:
        """The log odds of x_0 = +1, so that 2 sigmoid - 1 is the posterior mean of x_0.

        x_t = a x_0 + s noise alone says 2 a x_t / s^2 in favour of +1 (a^2 = alpha_bar, s^2 = 1 - alpha_bar),
        which is added as it is; the network says the rest: what the query, the candidates and the other bits
        let one expect of a bit.
        """
        gain, level = self.levels(alpha_bar)
        return self.log_odds(context + level[:, None], x, gain[:, None])

    def levels(self, alpha_bar: Float[Tensor, " level"]) -> tuple[Float[Tensor, " level"], Tensor]:
        """Of noise levels: 2 a / s^2 and what the network is told, [level state]."""
        a, variance = alpha_bar.sqrt(), (1 - alpha_bar).clamp(min=1e-6)
        return 2 * a / variance, self.level(torch.stack([a, variance.sqrt()], dim=1))

    def log_odds(
        self,
        given: Float[Tensor, "query candidate state"],
        x: Float[Tensor, "query candidate"],
        gain: Tensor | float,
    ) -> Float[Tensor, "query candidate"]:
        """The log odds, from the context and the level together, and from the level's 2 a / s^2."""
        heard = (gain * x).clamp(-CERTAIN, CERTAIN)
        h = self.steps(given + self.noisy(torch.stack([x, (heard / 2).tanh()], dim=-1)))
        return self.read(h).squeeze(-1) + heard


def noised(
    match: Tensor, u: Float[Tensor, "draw query"], noise: Float[Tensor, "draw query candidate"]
) -> tuple[Float[Tensor, "row candidate"], Float[Tensor, " row"]]:
    """x_t and alpha_bar of bits at places u of the cosine schedule, a row a draw and query.

    match: bool [query candidate]. u in [0, 1], from clean to pure noise: alpha_bar = cos^2(pi u / 2).
    """
    alpha_bar = (u * (torch.pi / 2)).cos().square()
    level = alpha_bar[..., None]
    x = level.sqrt() * (2 * match.to(noise.dtype) - 1) + (1 - level).sqrt() * noise
    return x.flatten(0, 1), alpha_bar.flatten()


def bit_loss(
    network: OpenSetDenoiser,
    context: Float[Tensor, "query candidate state"],
    match: Tensor,
    u: Float[Tensor, "draw query"],
    noise: Float[Tensor, "draw query candidate"],
) -> Float[Tensor, ""]:
    """Cross entropy of the bits, averaged over draws of the noise, queries and candidates. Arguments as for `noised`.

    Several draws share one context, which is the costly part.
    """
    wide = context.expand(len(u), *context.shape).flatten(0, 1)
    logits = network(wide, *noised(match, u, noise))
    return binary_cross_entropy_with_logits(logits, match.to(noise.dtype).expand_as(noise).flatten(0, 1))


@torch.no_grad()
def sample_bits(
    network: OpenSetDenoiser,
    context: Float[Tensor, "query candidate state"],
    schedule: Schedule,
    noise: Tensor,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Denoise `noise` [(seed) query candidate] with DDIM; all seeds of all queries run together.

    Returns the states x [step+1 (seed) query candidate], row 0 the noise, and the predictions x0 [step (seed)
    query candidate]: posterior means, inside [-1, 1] without a clamp. eta, generator: as in `ddim`.
    """
    gains, levels = network.levels(schedule.alpha_bar.to(context))
    told = dict(zip(schedule.timesteps.tolist(), zip(gains.tolist(), levels, strict=True), strict=True))
    wide = context.expand(*noise.shape[:-1], *context.shape[-2:]).flatten(0, -3)
    rows = max(MEMORY // (16 * wide[0].numel()), 1)

    def denoise(x: Tensor, t: int) -> Tensor:
        gain, level = told[t]
        parts = zip(wide.split(rows), x.reshape(-1, x.shape[-1]).split(rows), strict=True)
        logits = [network.log_odds(w + level, part, gain) for w, part in parts]
        return (torch.cat(logits) / 2).tanh().view_as(x)

    steps = list(ddim(denoise, noise, schedule, eta, generator))
    return torch.stack([noise, *(step.x for step in steps)]), torch.stack([step.x0 for step in steps])


class OpenSetGenerator(Generator):
    """The open-set generator of a model whose similarity weighs tokens and frames."""

    form: ClassVar[str] = "open-set"
    readout: ClassVar[Readout] = BITS
    settings: ClassVar[type[GeneratorConfig]] = OpenSetConfig
    part: ClassVar[str] = "openset"
    knows_all_levels: ClassVar[bool] = True

    @classmethod
    def make_network(cls, dim: int, config: GeneratorConfig) -> OpenSetDenoiser:
        assert isinstance(config, OpenSetConfig)
        return OpenSetDenoiser(dim, config)

    @property
    def denoiser(self) -> OpenSetDenoiser:
        assert isinstance(self.network, OpenSetDenoiser)
        return self.network

    def pairs(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        direction: str,
    ) -> Pairs:
        """What the denoiser sees of queries and candidates."""
        assert self.token_weights is not None and self.frame_weights is not None
        token_weights = self.token_weights.weigh(text.tokens, text.mask)
        frame_weights = self.frame_weights.weigh(video.frames, video.mask)
        return make_pairs(text, video, token_weights, frame_weights, candidates, direction)

    def sample(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        direction: str,
        schedule: Schedule,
        noise: Float[Tensor, "*seed query candidate"],
        eta: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> States:
        """x0 is a posterior mean, which needs no clamp: x0_raw is the same."""
        context = self.denoiser.context(self.pairs(text, video, candidates, direction), direction)
        x, x0 = sample_bits(self.denoiser, context, schedule, noise, eta, generator)
        return States(x, x0, x0)

    def loss(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        match: Bool[Tensor, "query candidate"],
        direction: str,
        level: Float[Tensor, "draw query"],
        noise: Float[Tensor, "draw query candidate"],
    ) -> Float[Tensor, ""]:
        """level: places of the cosine schedule in [0, 1], from clean to pure noise, see `noised`; several draws of the
        noise share what is computed of the pairs."""
        context = self.denoiser.context(self.pairs(text, video, candidates, direction), direction)
        return bit_loss(self.denoiser, context, match, level, noise)
