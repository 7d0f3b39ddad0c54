"""The command: train and ask every variant, and write what differs."""

from __future__ import annotations

import time

from diffusionret.checkpoint import load_model
from diffusionret.datasets.storybook import clips
from diffusionret.training.storybook_stages import StorybookOpenSet

from .. import measure
from .answers import Answers, ask
from .comparison import clear, row
from .training import STEPS, TRAINING_SEEDS, build, train
from .variants import VARIANTS

COUNTS = (16, 32, 48)  # of candidates, where training with one number is compared with several


def main() -> None:
    """Train and measure every variant, and write results/open_set_design.json."""
    started = time.monotonic()
    model = load_model("storybook", "cpu")
    model.requires_grad_(False)
    shared: StorybookOpenSet | None = None
    answers: dict[str, list[Answers]] = {}
    sampling: list[dict] = []
    counts: list[dict] = []
    for variant in VARIANTS:
        for seed in range(TRAINING_SEEDS):
            stage = build(variant, model, seed, shared, clips.CACHE)
            network = stage.model.openset
            assert network is not None
            shared = shared or stage
            train(stage, network)
            answers.setdefault(variant.name, []).append(ask(stage, network))
            if seed == 0 and variant.name in ("base", "always 32 candidates"):
                counts += [
                    {"variant": variant.name, "candidates": n} | ask(stage, network, count=n).summary()
                    for n in COUNTS
                ]
            if seed == 0 and variant.name == "base":
                sampling += [
                    {"steps": steps, "eta": eta} | ask(stage, network, steps, eta).summary()
                    for steps in (1, 4, 8, 20)
                    for eta in ((0.0, 1.0) if steps > 1 else (0.0,))
                ]
        print(variant.name, row(variant, answers[variant.name], answers["base"])["over_base"], flush=True)
    rows = [row(variant, answers[variant.name], answers["base"]) for variant in VARIANTS]
    better, worse = ([r["variant"] for r in rows[1:] if clear(r) == sign] for sign in (-1, 1))
    losses = [f.summary()["log_loss"] for f in answers["base"]]
    shows = (
        f"{TRAINING_SEEDS} training seeds of {STEPS} steps each. Log loss is clearly lower than the base's with: "
        f"{', '.join(better) or 'nothing'}; clearly higher with: {', '.join(worse) or 'nothing'}. The training seeds "
        f"of the base lie between {min(losses):.4f} and {max(losses):.4f}."
    )
    measure.store(
        "open_set_design", "Why the open-set generator is as it is", shows, started, rows,
        sampling=sampling, candidates=counts,
    )  # fmt: skip
