"""The model card as a whole."""

from __future__ import annotations

from .noise import noise
from .open_set import open_set
from .retrieval import gains, natural, results_table
from .targets import targets
from .training import LEGS, training
from .visitors import visitors

FRONT = """---
license: apache-2.0
library_name: diffusionret
tags: [video-text-retrieval, diffusion]
---
# Storybook: a DiffusionRet model of a small drawn world

Text-to-video retrieval on Storybook, the procedurally drawn world of this repository, trained from scratch with the
project's own commands. It knows that world and everyday words for it, and nothing else: real videos need CLIP weights
or a published checkpoint. All figures are in percent unless said otherwise, brackets are 95 % bootstrap intervals, and
all of them, good and bad, are printed by the commands beside them.
"""


def card(
    report: dict,
    record: dict,
    other: dict | None,
    proof: dict | None,
    queries: dict | None = None,
    reserved: dict | None = None,
) -> str:
    """The card in Markdown.

    report: of the evaluation on the test split. record: of the trainings. other: of the evaluation on the second
    look, None where there is none. proof: what was measured of the open-set generator, queries: of visitors' queries,
    likewise; reserved: of their other half.
    """
    parts = [
        FRONT,
        "## On 1,000 test clips\n`python -m diffusionret evaluate --data storybook --split test`\n",
        results_table(report),
        "\n" + gains(report),
        "\n" + natural(report),
        "\nMinimal pairs (two clips that differ in one thing, full captions): direction of motion "
        f"{report['pairs']['direction']:.1f} [{report['pairs_interval']['direction'][0]:.1f}, "
        f"{report['pairs_interval']['direction'][1]:.1f}], who does what to whom {report['pairs']['roles']:.1f} "
        f"[{report['pairs_interval']['roles'][0]:.1f}, {report['pairs_interval']['roles'][1]:.1f}].",
        "\n### Against the targets\n" + targets(report),
        "\n### Does the noise matter?\n" + noise(report),
    ]
    if other is not None:
        parts.append(
            "\n## On the second look (another hand, another way of writing), never seen in training\n"
            "`python -m diffusionret evaluate --data sketchbook --split test`\n\n" + results_table(other)
        )
    if queries is not None:
        parts.append("\n## What visitors type\n" + visitors(queries, reserved))
    if proof is not None:
        parts.append("\n## The open-set generator\n" + open_set(proof))
    parts.append(f"\n## Training\n{LEGS}\n\n" + training(record["stages"]))
    return "\n".join(parts).rstrip() + "\n"
