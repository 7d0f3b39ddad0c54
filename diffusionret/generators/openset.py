"""The open-set generator: which candidates match a query, and which one of them is meant.

Two readings of one network. *Does it match?* p(some video of the gallery matches) and, given that one does, p(this
candidate matches), in one pass. *Which one is meant?* x_0 in {-1, +1}^K holds at most one +1: the candidate that is
meant, all -1 where none is. Noise x_t = a x_0 + s z then favours candidate i over "none" by the log odds 2 a x_i / s^2
exactly, so that the posterior over the K candidates and none is

    softmax(log prior_i + 2 a x_i / s^2),  with 0 for the noise's word on "none".

The prior is what the network learns, from the query and the candidates. It needs no x_t: all that x_t knows of x_0 is
in the second term, so that the shares of many draws are the softmax of the first step. It is the categorical form of
analog bits (Chen et al. 2022, arXiv 2208.04202), and denoising draws one choice: the noise decides exactly as much as
the query leaves open.

The network is equivariant to permutations of the candidates, and serves both directions.
"""

from __future__ import annotations

from copy import copy
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, gelu, log_softmax, normalize, softplus

from ..config import GeneratorConfig, OpenSetConfig
from ..diffusion import Schedule, ddim
from ..encoders import TextFeatures, VideoFeatures
from ..losses import even_share
from ..readout import ONE_OR_NONE, Readout
from ..sampling import States
from ..similarity import counting_positions, mean_frame, wti_in_blocks
from .interface import DIRECTIONS, Generator
from .match import ABSENT, LEAST, Match, at_prior, match_of
from .standing import PAIR, QUERY, hubness, standing

# Bytes of intermediate results that a part of a large batch may take.
MEMORY = 2**25
# Beyond this log odds a choice is certain in float32.
CERTAIN = 60.0
ALIKE = 6.0  # most that the candidates' own log odds add to those of a match
BANK = 256  # ordinary captions that tell hubs


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


class VideoSide(NamedTuple):
    """What the network makes of videos alone, the same for every query: directions [video frame dim] of their frames,
    axes [video frame width], learned ones of these, and hubs [video], see `hubness`."""

    directions: Tensor
    axes: Tensor
    hubs: Tensor


class PairEncoder(nn.Module):
    """What is seen of each (query, candidate) pair: [query candidate width], and its similarity.

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

    def forward(
        self, pairs: Pairs, side: VideoSide
    ) -> tuple[Float[Tensor, "query candidate width"], Float[Tensor, "query candidate"]]:
        """side: of the videos of the pairs."""
        text = pairs.text
        words = normalize(torch.cat([text.cls[:, None], text.tokens], dim=1), dim=-1)  # the end token first
        # Both axes of a direction are of size 1 / sqrt(dim): the product is brought back to about 1.
        seen = words, side.directions, self.word(words) * words.shape[-1], side.axes
        queries, count = len(pairs.text_of), max(pairs.text_of.shape[1], pairs.video_of.shape[1])
        most = queries if torch.is_grad_enabled() else MEMORY // (4 * count * seen[2][0].numel())
        parts = zip(pairs.text_of.split(max(most, 1)), pairs.video_of.split(max(most, 1)), strict=True)
        seen_pairs, similarity = zip(
            *(self._of(pairs._replace(text_of=t, video_of=v), *seen) for t, v in parts), strict=True
        )
        return torch.cat(seen_pairs), torch.cat(similarity)

    def _of(
        self, pairs: Pairs, words: Tensor, frames: Tensor, word_axes: Tensor, frame_axes: Tensor
    ) -> tuple[Float[Tensor, "query candidate width"], Float[Tensor, "query candidate"]]:
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
        return merged + self.numbers(numbers), similarity


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


class Answers(NamedTuple):
    """What the network says of queries and candidates, as log odds and logits.

    choice [query candidate]: which one is meant, given that one matches; a softmax makes shares of it. match [query
    candidate]: log odds that the candidate matches. none [query]: log odds that no video of the gallery does. Both hold
    where TRAINED_ABSENT of the queries have no match.
    """

    choice: Tensor
    match: Tensor
    none: Tensor


class OpenSetNetwork(nn.Module):
    """Answers about queries and their candidates, see `Answers`.

    bank: end tokens of ordinary captions, of norm 1 (see `hubness`); training draws them.
    """

    bank: Tensor

    def __init__(self, dim: int, config: OpenSetConfig) -> None:
        super().__init__()
        width = config.width
        self.register_buffer("bank", torch.zeros(BANK, dim))
        self.pairs = PairEncoder(dim, width, config.attention_temperature)
        self.standing = nn.Linear(PAIR, width)
        self.row = nn.Linear(QUERY, width)
        self.query = nn.Linear(dim, width)
        self.direction = nn.ParameterDict({d: nn.Parameter(torch.zeros(width)) for d in DIRECTIONS})
        self.among = nn.Sequential(*(Block(width, config.heads) for _ in range(config.layers)))
        self.read = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2))
        self.none = nn.Sequential(
            nn.LayerNorm(4 * width), nn.Linear(4 * width, width), nn.GELU(), nn.Linear(width, 1)
        )

    @torch.no_grad()
    def fill_bank(self, end_tokens: Float[Tensor, "caption dim"]) -> None:
        """Keep the end tokens of ordinary captions, at most BANK of them, all alike often where they are fewer."""
        rows = torch.arange(BANK, device=end_tokens.device) % len(end_tokens)
        self.bank.copy_(normalize(end_tokens[rows], dim=-1))

    def video_side(self, video: VideoFeatures) -> VideoSide:
        """What is made of videos alone."""
        directions = normalize(video.frames, dim=-1)
        return VideoSide(directions, self.pairs.frame(directions), hubness(self.bank, video))

    def forward(
        self,
        pairs: Pairs,
        row: Tensor,
        direction: str,
        there: Tensor | None = None,
        side: VideoSide | None = None,
    ) -> Answers:
        """row: similarity of each query with the whole gallery, [query gallery]; there: what each gallery holds, bool
        [query gallery], None for all. side: of the videos of the pairs, where it is known."""
        queries, video = pairs.text_of[:, 0], pairs.video
        side = self.video_side(video) if side is None else side
        seen, similarity = self.pairs(pairs, side)
        if direction == "t2v":
            hub = side.hubs[pairs.video_of]
            whole = normalize(pairs.text.cls[queries], dim=-1)
        else:
            hub = torch.zeros_like(similarity)
            whole = normalize(mean_frame(video), dim=-1)[pairs.video_of[:, 0]]
        place = standing(row, similarity, hub, there)
        way = self.direction[direction]
        of_row = self.row(place.query) + self.query(whole * whole.shape[-1] ** 0.5 / 4) + way
        h = self.among(seen + self.standing(place.pair) + way)
        choice, match = self.read(h).unbind(-1)
        pooled = torch.cat([h.mean(dim=1), h.amax(dim=1), h[:, 0], of_row], dim=-1)
        # As if candidates matched independently of each other; what is pooled corrects it. Bounded: candidates that
        # look alike are wrong together, so that many of them make nobody surer than a few do.
        return Answers(
            choice, match, self.none(pooled).squeeze(-1) - ALIKE * torch.tanh(any_odds(match) / ALIKE)
        )


def any_odds(match: Float[Tensor, "query candidate"]) -> Float[Tensor, " query"]:
    """The log odds that any candidate matches, if they match independently with these log odds."""
    nothing = softplus(match).sum(dim=1)  # - log p(none matches)
    return nothing + torch.log(-torch.expm1(-nothing.clamp(min=1e-6)))


def match_loss(
    answers: Answers, match: Bool[Tensor, "query candidate"], some: Bool[Tensor, " query"]
) -> Float[Tensor, ""]:
    """The objective: cross entropies (nats) of which one is meant, of which ones match, and of whether any does.

    match: which candidates match. some: whether anything in the gallery of a query does, candidate or not. One of those
    that match is meant, all alike. Where nothing matches there is nothing to choose.
    """
    chosen = -(even_share(match) * log_softmax(answers.choice, dim=1)).sum() / match.any(dim=1).sum().clamp(
        min=1
    )
    nothing = binary_cross_entropy_with_logits(answers.none, (~some).float())
    return chosen + each_loss(answers, match) + nothing


def each_loss(answers: Answers, match: Bool[Tensor, "query candidate"]) -> Float[Tensor, ""]:
    """The part of the objective that asks of each candidate whether it matches: cross entropy, nats a query."""
    bits = binary_cross_entropy_with_logits(answers.match, match.float(), reduction="none")
    return bits.sum(dim=1).mean()


@torch.no_grad()
def draw(
    choice: Float[Tensor, "query candidate"],
    none: Float[Tensor, " query"],
    schedule: Schedule,
    noise: Tensor,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Denoise `noise` [(seed) query candidate] with DDIM; all seeds of all queries run together.

    choice: logits of which one is meant. none: the probability that none is. eta, generator: as in `ddim`.
    Returns the states x [step+1 (seed) query candidate], row 0 the noise, and the predictions x0 [step (seed)
    query candidate]: posterior means, inside [-1, 1] without a clamp.
    """
    none = none.clamp(LEAST, 1 - LEAST)
    prior = log_softmax(choice, dim=-1) + torch.log1p(-none)[:, None]
    nothing = none.log()[:, None]
    alpha_bar = schedule.alpha_bar
    gains = dict(
        zip(schedule.timesteps.tolist(), (2 * alpha_bar.sqrt() / (1 - alpha_bar)).tolist(), strict=True)
    )

    def denoise(x: Tensor, t: int) -> Tensor:
        odds = prior + (gains[t] * x).clamp(-CERTAIN, CERTAIN)
        odds = torch.cat([odds, nothing.expand(*odds.shape[:-1], 1)], dim=-1)
        return 2 * odds.softmax(dim=-1)[..., :-1] - 1

    steps = list(ddim(denoise, noise, schedule, eta, generator))
    return torch.stack([noise, *(step.x for step in steps)]), torch.stack([step.x0 for step in steps])


class OpenSetGenerator(Generator):
    """The open-set generator of a model whose similarity weighs tokens and frames."""

    form: ClassVar[str] = "open-set"
    readout: ClassVar[Readout] = ONE_OR_NONE
    settings: ClassVar[type[GeneratorConfig]] = OpenSetConfig
    part: ClassVar[str] = "openset"
    knows_all_levels: ClassVar[bool] = True
    matches: ClassVar[bool] = True

    _known: tuple[Answers, Tensor] | None = None

    @classmethod
    def make_network(cls, dim: int, config: GeneratorConfig) -> OpenSetNetwork:
        assert isinstance(config, OpenSetConfig)
        return OpenSetNetwork(dim, config)

    def pairs(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        direction: str,
    ) -> Pairs:
        """What the network sees of queries and candidates."""
        return make_pairs(text, video, *self._weights(text, video), candidates, direction)

    def _weights(self, text: TextFeatures, video: VideoFeatures) -> tuple[Tensor, Tensor]:
        assert self.token_weights is not None and self.frame_weights is not None
        return (
            self.token_weights.weigh(text.tokens, text.mask),
            self.frame_weights.weigh(video.frames, video.mask),
        )

    @torch.no_grad()
    def answers(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        direction: str = "t2v",
        row: Float[Tensor, "query gallery"] | None = None,
        there: Bool[Tensor, "query gallery"] | None = None,
        side: VideoSide | None = None,
    ) -> Answers:
        """What the network says, in one pass.

        text, video, candidates, direction: as for `generate`. row: the similarity of each query with the whole
        gallery, where the other side holds only a part of it; None where it holds all. there: what of that counts as
        held, None for all of it; the candidates do. side: of the videos, where it is known.
        """
        if row is None:
            row = wti_in_blocks(text, video, *self._weights(text, video))
            row = row if direction == "t2v" else row.T.contiguous()
        return self.network(self.pairs(text, video, candidates, direction), row, direction, there, side)

    def match(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        direction: str = "t2v",
        row: Float[Tensor, "query gallery"] | None = None,
        absent: float = ABSENT,
    ) -> Match:
        answers = self.answers(text, video, candidates, direction, row)
        none = at_prior(answers.none.sigmoid(), absent)
        return match_of(none, answers.match, answers.none, answers.choice)

    def knowing(self, answers: Answers, none: Float[Tensor, " query"]) -> OpenSetGenerator:
        """This generator for queries of which the answers, and the probability of no match, are known already."""
        known = copy(self)
        known._known = answers, none
        return known

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
        if self._known is None:
            answers = self.answers(text, video, candidates, direction)
            none = at_prior(answers.none.sigmoid(), ABSENT)
        else:
            answers, none = self._known
        x, x0 = draw(answers.choice, none, schedule, noise, eta, generator)
        return States(x, x0, x0)

    def loss(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        match: Bool[Tensor, "query candidate"],
        direction: str,
        level: Tensor,
        noise: Tensor,
    ) -> Float[Tensor, ""]:
        """The noise level and the noise do not enter it: see the head of this file."""
        del level, noise
        row = wti_in_blocks(text, video, *self._weights(text, video)).detach()
        row = row if direction == "t2v" else row.T.contiguous()
        answers = self.network(self.pairs(text, video, candidates, direction), row, direction)
        return match_loss(answers, match, match.any(dim=1))
