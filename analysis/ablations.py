"""Discriminative, generative or hybrid training, and how many negatives? `python -m analysis.ablations`

The paper's question (its table of training objectives), asked where three seeds of every answer take minutes: the
towers of the bundled model are frozen and read once, and on top of them a small model is trained anew, linear maps of
words and frames, the temporal transformer, the weights of the similarity and the published generator. Every run sees
the same number of batches of an objective. The frozen words come from a text tower that has learnt by contrast, so
"generative" means that the alignment with the videos, not every word, was learnt without contrast.

discriminative: L_D. generative: L_G, which reaches the features through what the generator sees of them. joint: the sum
of both. hybrid: L_D, then L_G on frozen features, as published.
"""

from __future__ import annotations

import copy
import random
import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from diffusionret import DiffusionRet
from diffusionret.checkpoint import load_model
from diffusionret.config import ClipConfig, GeneratorConfig, ModelConfig
from diffusionret.datasets.storybook import captions, clips, world
from diffusionret.encoders import TextFeatures, VideoFeatures
from diffusionret.evaluate import common_noise, generate
from diffusionret.features import encode_captions
from diffusionret.metrics import ranks
from diffusionret.model import build_model, initialise
from diffusionret.training.optimiser import lr_scale
from diffusionret.training.storybook_features import frame_embeddings

from . import measure

SEEDS = 3
STEPS, BATCH, LR = 300, 128, 2e-3
DIM = 64  # of the small model
NEGATIVES = (7, 31, 63)
USUAL = 31
CANDIDATES = 32
FAMILIES, CAPTIONS = 750, 2  # four clips a family, two captions a clip
OWN = 90  # seed of training clips that no stage of the bundled model has seen


class Frozen(NamedTuple):
    """What the towers say: text [clip*caption], captions of a clip side by side; embeddings [clip frame dim]."""

    text: TextFeatures
    embeddings: Tensor


def read(model: DiffusionRet, scenes: list, frames: np.ndarray, each: int, seed: str) -> Frozen:
    """Full captions of the clips, `each` a clip, and their frames."""
    rng = random.Random(seed)
    written = [captions.write(scene, rng).text for scene in scenes for _ in range(each)]
    with torch.no_grad():
        cls, tokens, mask = encode_captions(model, written)
        longest = int(mask.sum(1).max())  # positions that nobody uses need not run
        text = TextFeatures(cls, tokens[:, :longest].clone(), mask[:, :longest].clone())
        return Frozen(text, frame_embeddings(model, frames))


class Heads(nn.Module):
    """The small model, and the linear maps into it."""

    def __init__(self, dim: int, frames: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        unused = ClipConfig(
            embed_dim=DIM, image_size=32, vision_layers=1, vision_width=64, patch_size=32, context_length=frames,
            vocab_size=2, text_width=64, text_heads=1, text_layers=1,
        )  # fmt: skip
        self.model = build_model(
            ModelConfig(
                clip=unused, generator=GeneratorConfig(candidates=USUAL + 1), temporal_layers=1, feature_norm=10.0,
                frames=frames,
            )
        )  # fmt: skip
        initialise(self.model)
        self.word, self.frame = nn.Linear(dim, DIM, bias=False), nn.Linear(dim, DIM, bias=False)

    def forward(self, batch: Frozen) -> tuple[TextFeatures, VideoFeatures]:
        cls, tokens = (10 * normalize(self.word(x), dim=-1) for x in batch.text[:2])
        embeddings = self.frame(normalize(batch.embeddings, dim=-1))
        mask = torch.ones_like(embeddings[..., 0], dtype=torch.long)
        return TextFeatures(cls, tokens, batch.text.mask), self.model.contextualise(embeddings, mask)


def train(
    heads: Heads, data: Frozen, contrast: bool, generation: bool, seed: int, negatives: int = USUAL,
    steps: int = STEPS, batch: int = BATCH,
) -> Heads:  # fmt: skip
    """The heads, trained in place by one objective or the sum of both. Whatever needs no gradient stays as it is."""
    learns = [p for p in heads.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learns, lr=LR, betas=(0.9, 0.98), weight_decay=0.05)
    count, each = len(data.embeddings), len(data.text.cls) // len(data.embeddings)
    for step in range(steps):
        generator = torch.Generator().manual_seed(1000 * seed + step)
        chosen = torch.randperm(count, generator=generator)[:batch]
        told = each * chosen + torch.randint(each, (len(chosen),), generator=generator)
        part = Frozen(TextFeatures(*(x[told] for x in data.text)), data.embeddings[chosen])
        text, video = heads(part)
        losses = []
        if contrast:
            losses.append(heads.model.discrimination_loss(text, video, chosen))
        if generation:
            losses.append(
                heads.model.generation_loss(text, video, chosen, negatives=negatives, generator=generator)
            )
        for group in optimizer.param_groups:
            group["lr"] = LR * lr_scale(step, steps, 0.1)
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        torch.nn.utils.clip_grad_norm_(learns, 1.0)
        optimizer.step()
    return heads


def then_generate(heads: Heads, data: Frozen, seed: int, negatives: int, **settings: int) -> Heads:
    """A copy with a new generator, trained on frozen features."""
    heads = copy.deepcopy(heads)
    torch.manual_seed(seed)
    initialise(heads.model, ["generator"])
    heads.requires_grad_(False)
    assert heads.model.generator is not None
    heads.model.generator.requires_grad_(True)
    return train(heads, data, False, True, seed, negatives, **settings)


@torch.no_grad()
def right(heads: Heads, test: Frozen, given: Tensor) -> dict[tuple[str, str], np.ndarray]:
    """Whether each query finds its clip first, bool [query], by kind of question and of ranking: by similarity, by the
    generator alone, or by the similarity plus what generation adds.

    In the gallery the candidates are those of the model's own similarity. given [query candidate]: the same
    candidates for every model, so that a generator is judged whatever its similarity has learnt.
    """
    text, video = heads(test)
    model, similarity = heads.model, heads.model.similarity(text, video)
    moved = model.rerank(similarity, generate(model, text, video, similarity, "t2v", given.shape[1]))
    steps = model.choose().config.steps
    noise = common_noise(given.shape[1], 0, len(given))
    path = model.generate(text, video, given, "t2v", steps, noise=noise, respace_from=steps)
    own = given == torch.arange(len(given))[:, None]

    def first(scores: Tensor) -> np.ndarray:
        return own.gather(1, scores.argmax(1, keepdim=True))[:, 0].numpy()

    among = similarity.gather(1, given)
    return {
        ("gallery", "similarity"): ranks(similarity) == 1,
        ("gallery", "sum"): ranks(moved) == 1,
        ("given candidates", "similarity"): first(among),
        ("given candidates", "generator"): first(path.x0_raw[-1]),
        ("given candidates", "sum"): first(among + model.boost(path)),
    }


def spread(hits: np.ndarray, resamples: int = 2000) -> tuple[float, float, float]:
    """Percent and 95 % interval of the mean of hits [seed query]; seeds and queries are both drawn again."""
    rng, drawn = np.random.default_rng(0), []
    for _ in range(resamples):
        seeds, queries = (rng.integers(n, size=n) for n in hits.shape)
        drawn.append(hits[np.ix_(seeds, queries)].mean())
    low, high = np.quantile(drawn, [0.025, 0.975])
    return 100 * float(hits.mean()), 100 * float(low), 100 * float(high)


def candidates(model: DiffusionRet, test: Frozen) -> Tensor:
    """Of every query the most similar clips by the whole, trained model, its own clip among them, in random order:
    every query has the same noise, and no place in it may belong to the right clip."""
    mask = torch.ones_like(test.embeddings[..., 0], dtype=torch.long)
    with torch.no_grad():
        similarity = model.similarity(test.text, model.contextualise(test.embeddings, mask))
    chosen = similarity.fill_diagonal_(2.0).topk(CANDIDATES, dim=1).indices
    order = torch.rand(chosen.shape, generator=torch.Generator().manual_seed(0)).argsort(dim=1)
    return chosen.gather(1, order)


def main() -> None:
    started = time.monotonic()
    whole = load_model("storybook")
    frames, size = whole.config.frames, whole.config.clip.image_size
    drawn = clips.TrainingClips(clips.CACHE, FAMILIES, frames, size, OWN)
    data = read(whole, drawn.scenes, drawn.frames, CAPTIONS, "ablations")
    shown = clips.split_frames("test", clips.CACHE, frames, size)
    test = read(whole, list(world.split("test")), shown, 1, "full storybook test")
    given, dim = candidates(whole, test), whole.config.clip.embed_dim

    outcomes: dict[tuple[str, str, str], list[np.ndarray]] = {}
    for seed in range(SEEDS):
        trained = {
            "discriminative": train(Heads(dim, frames, seed), data, True, False, seed),
            "generative": train(Heads(dim, frames, seed), data, False, True, seed),
            "joint": train(Heads(dim, frames, seed), data, True, True, seed),
        }
        for negatives in NEGATIVES:
            name = "hybrid" if negatives == USUAL else f"hybrid, {negatives} negatives"
            trained[name] = then_generate(trained["discriminative"], data, seed, negatives)
        for name, heads in trained.items():
            for key, hits in right(heads, test, given).items():
                # What an objective never trained is chance; the similarity of a hybrid is that of L_D.
                untrained = name == "discriminative" and key[1] != "similarity"
                if not untrained and not (name.startswith("hybrid") and key[1] == "similarity"):
                    outcomes.setdefault((name, *key), []).append(hits)
    rows = [row(key, np.stack(hits), outcomes) for key, hits in outcomes.items()]
    by = {(r["training"], r["question"], r["ranking"]): r for r in rows}
    contrast, hybrid = (
        by["discriminative", "gallery", "similarity"], by["hybrid", "gallery", "sum"]
    )  # fmt: skip
    alone = [by[name, "given candidates", "generator"]["R1"] for name in ("generative", "joint", "hybrid")]
    low, high = hybrid["over_interval"]
    shows = (
        f"In the gallery of {len(given):,} clips discriminative training reaches {contrast['R1']:.1f} R@1 and hybrid "
        f"training {hybrid['R1']:.1f}, {hybrid['over_discriminative']:+.1f} [{low:+.1f}, {high:+.1f}]. Among "
        f"{CANDIDATES} given candidates, where chance is {100 / CANDIDATES:.1f}, the generator alone reaches "
        f"{alone[0]:.1f} when it is all that is trained, {alone[1]:.1f} trained jointly and {alone[2]:.1f} on features "
        f"that L_D has made (means of {SEEDS} seeds)."
    )
    measure.store(
        "ablations", "Discriminative, generative or hybrid training; how many negatives?", shows, started, rows,
        steps=STEPS, seeds=SEEDS,
    )  # fmt: skip


def row(
    key: tuple[str, str, str], hits: np.ndarray, outcomes: dict[tuple[str, str, str], list[np.ndarray]]
) -> dict:
    """hits [seed query]. over_discriminative: R@1 minus that of the similarity after L_D, same seeds and queries."""
    name, question, ranking = key
    mean, low, high = spread(hits)
    base = np.stack(outcomes["discriminative", question, "similarity"]).astype(float)
    over, worst, most = spread(hits - base)
    return {
        "training": name, "question": question, "ranking": ranking, "R1": mean, "interval": [low, high],
        "over_discriminative": over,
        "over_interval": [worst, most],
        "seeds": [100 * float(pick(hits.mean(1))) for pick in (min, max)],  # the lowest and the highest
    }  # fmt: skip


if __name__ == "__main__":
    main()
