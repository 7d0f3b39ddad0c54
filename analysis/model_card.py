"""Write assets/models/storybook/README.md, and the results and the speed in the README of the project, from what is
recorded in analysis/results/: `python -m analysis.model_card`.

Every figure comes from a recorded result, next to the command that made it. With --runs FOLDER, the folder of the
trainings' checkpoints and records, training.json is written first.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import torch

from diffusionret.config import FORMS, PRESETS
from diffusionret.training import records

from .bench.report import sentences

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "analysis" / "results"
CARD = ROOT / "assets" / "models" / "storybook" / "README.md"

README = ROOT / "README.md"
START, END = "<!-- results: written by analysis/model_card.py -->", "<!-- /results -->"
SPEED, SPEED_END = "<!-- speed: written by analysis/model_card.py -->", "<!-- /speed -->"

FRONT = """---
license: apache-2.0
library_name: diffusionret
tags: [video-text-retrieval, diffusion]
---
# Storybook: a DiffusionRet model of a small drawn world

Text-to-video retrieval on Storybook, the procedurally drawn world of this repository, trained from scratch with the
project's own commands. It knows that world and its words, and nothing else: real videos need CLIP weights or a
published checkpoint. All figures are in percent unless said otherwise, brackets are 95 % bootstrap intervals, and
all of them, good and bad, are printed by the commands beside them.
"""

TARGETS = (
    ("text to video, full captions, R@1", 90.0, lambda r: r["t2v"]["before"]["R1"]),
    ("text to video, full captions, R@10", 99.5, lambda r: r["t2v"]["before"]["R10"]),
    ("natural captions, share of the ceiling", 90.0, lambda r: 100 * r["natural"]["before"]["of_ceiling"]),
    ("minimal pairs, direction of motion", 90.0, lambda r: r["pairs"]["direction"]),
    ("minimal pairs, who does what to whom", 90.0, lambda r: r["pairs"]["roles"]),
    ("generator alone, text to video, R@1", 80.0, lambda r: r["t2v"]["generator_only"]["R1"]),
    ("clamped entries of x0, text to video, below", 1.0, lambda r: 100 * r["t2v"]["noise"]["clamped"]),
    ("tied winners, text to video, below", 1.0, lambda r: 100 * r["t2v"]["noise"]["tied"]),
)

WAYS = (("t2v", "text to video"), ("v2t", "video to text"))
NOISE = {
    "qk_std": "std of q.k over candidates",
    "seed_variance": "share of the variance of x0 that the initial noise causes",
    "seeds_agree": "share of six seeds that agree with their most frequent winner",
    "first_step_is_final": "share of queries whose winner is fixed at the first step",
    "clamped": "share of x0 entries at the clamp",
    "tied": "share of queries whose winner ties after the clamp",
    "sharp_top1": "mean top share of the sharp readout softmax(100 x0)",
    "published_top1": "mean top share of the published readout softmax(x0)",
}


def results_table(report: dict) -> str:
    """Both directions and natural captions, before, after and generator alone; then the generator that is not asked."""
    lines = ["| | R@1 | R@5 | R@10 | MdR | MnR |", "|---|---|---|---|---|---|"]
    parts = [("t2v", "text to video"), ("v2t", "video to text"), ("natural", "natural captions")]
    sections = [(report[key], title, ("before", "after", "generator_only")) for key, title in parts]
    for form in FORMS:
        other = report.get(form, {})
        sections += [
            (other[k], f"{t}, {form} generator", ("after", "generator_only")) for k, t in parts if k in other
        ]
    for section, title, names in sections:
        for name in names:
            if row := section.get(name):
                low, high = row["R1_interval"]
                lines.append(
                    f"| {title}, {name.replace('_', ' ')} | {row['R1']:.1f} [{low:.1f}, {high:.1f}] | {row['R5']:.1f} "
                    f"| {row['R10']:.1f} | {row['MdR']:.1f} | {row['MnR']:.2f} |"
                )
    return "\n".join(lines)


def gains(report: dict) -> str:
    """What generation changed, in a sentence a direction."""
    lines = []
    for key, title in (("t2v", "Text to video"), ("v2t", "Video to text")):
        if "gain_R1" in report[key]:
            gain, low, high = report[key]["gain_R1"]
            row = report[key]
            lines.append(
                f"- {title}: generation changes R@1 by {gain:+.1f} [{low:+.1f}, {high:+.1f}] (paired bootstrap); of "
                f"{report['queries']} queries {row['moved_up']} rose and {row['moved_down']} fell."
            )
    return "\n".join(lines)


def natural(report: dict) -> str:
    row = report["natural"]
    best = row["before"]
    return (
        f"A natural caption fits {row['clips_that_fit']:.2f} of the 1,000 clips on average, so its R@1 has a ceiling "
        f"of {row['ceiling_R1']:.1f}; the model reaches {100 * best['of_ceiling']:.1f} % of it, and its first result "
        f"fits the caption in {best['top1_fits']:.1f} % of the cases."
    )


def targets(report: dict) -> str:
    lines = ["| target | wanted | reached | |", "|---|---|---|---|"]
    for name, wanted, figure in TARGETS:
        try:
            value = figure(report)
        except KeyError:
            continue
        met = value < wanted if name.endswith("below") else value >= wanted
        lines.append(f"| {name} | {wanted:g} | {value:.1f} | {'met' if met else 'missed'} |")
    return "\n".join(lines)


def noise(report: dict) -> str:
    """Of the generator that answers and, where there is one, of the other."""
    sides = {"": report} | {f"{form}, ": report[form] for form in FORMS if form in report}
    columns = {
        f"{side}{way}": part.get(d, {}).get("noise", {}) for side, part in sides.items() for d, way in WAYS
    }
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
    for key, title in NOISE.items():
        if any(key in column for column in columns.values()):
            cells = (f"{column[key]:.4g}" if key in column else "" for column in columns.values())
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def open_set(found: dict) -> str:
    """Calibration, ranking and "no match" of the open-set generator, from open_set.json."""
    lines = [f"`{found['command']}`, {found['minutes']} minutes. {found['shows']}\n"]
    lines += ["| probability | by | look | expected calibration error | log loss |", "|---|---|---|---|---|"]
    for row in found["calibration"]:
        low, high = row["interval"]
        lines.append(
            f"| {row['probability of']} | {row['by']} | {row['look']} | {row['calibration_error']:.4f} "
            f"[{low:.4f}, {high:.4f}] | {row['log_loss']:.4f} |"
        )
    lines += [
        "\n| ranked by | captions | look | R@1 | ceiling | gain over similarity |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["retrieval"]:
        low, high = row["gain_interval"]
        lines.append(
            f"| {row['ranked by']} | {row['captions']}, {row['direction']} | {row['look']} | {row['R1']:.1f} "
            f"| {row['ceiling']:.1f} | {row['gain_over_similarity']:+.1f} [{low:+.1f}, {high:+.1f}] |"
        )
    lines += ["\n| no match told by | look | AUROC |", "|---|---|---|"]
    for row in found["no_match"]:
        low, high = row["interval"]
        lines.append(f"| {row['score']} | {row['look']} | {row['auroc']:.3f} [{low:.3f}, {high:.3f}] |")
    lines += ["\n| training seed | " + " | ".join(list(found["training_seeds"][0])[1:]) + " |"]
    lines += ["|---" * len(found["training_seeds"][0]) + "|"]
    for row in found["training_seeds"]:
        cells = (v if isinstance(v, str) else f"{v:.4g}" for v in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def speed(report: dict) -> str:
    """What analysis/bench.py found, for the README."""
    (machine,) = report["machine"]
    lines = [
        f"On {machine['cores']} cores ({machine['cpu']}), 512 dimensions, 12 frames, 32 candidates, 50 steps; "
        "`python -m analysis.bench` measures it anew:\n",
        "| queries | published loop | exact sampler | with the gallery prepared |",
        "|---|---|---|---|",
    ]
    names = {"t2v": "text", "v2t": "video"}
    for row in report["sampling"]:
        if (row["K"], row["seeds"]) == (32, 1) and row["queries"] in (1, 1000) and row["model"] != "bundled":
            what = names[row["direction"]] + ("s" if row["queries"] > 1 else "")
            loop = _time(row["plain"])
            if row["plain_queries"] < row["queries"]:
                loop += f", by the time of {row['plain_queries']}"
            cells = [f"{row['queries']:,} {what}", loop]
            cells += [
                f"{_time(row[name])} ({row[f'{name}_ratio']:.0f} ×)" if name in row else ""
                for name in ("sampler", "prepared")
            ]
            lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "\nA search finds its videos prepared. With the bundled model and gallery, each generator at its own number of "
        "steps:\n"
    ]
    lines += [
        f"- {said}."
        for said in sentences({name: part for name, part in report.items() if name != "sampling"})
    ]
    if "gpu" not in report:
        lines.append("- There is no figure of a GPU yet.")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds:,.3g} s" if seconds >= 0.1 else f"{1000 * seconds:.3g} ms"


def record_training(runs: Path) -> None:
    """Write training.json: of every stage the command, the minutes, and the figures of the weights that were kept."""
    stages = []
    for name, preset in PRESETS.items():
        validations = [r for r in records.read(runs / name) if isinstance(r, records.ValidationRecord)]
        last = validations[-1]
        kept = next(r for r in validations if r.best == last.best)
        stages.append(
            dict(name=name, command=preset.command, minutes=last.minutes, steps=last.step)
            | dict(kept=kept.step, figures=dict(kept.figures))
        )
    record = dict(machine=f"{os.cpu_count()} CPU cores, torch {torch.__version__}", stages=stages)
    (RESULTS / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def training(stages: list[dict]) -> str:
    lines = [
        "| stage | command | minutes | steps | validation figures of what was kept |",
        "|---|---|---|---|---|",
    ]
    for stage in stages:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in stage["figures"].items())
        lines.append(
            f"| {stage['name']} | `{stage['command']}` | {stage['minutes']:.0f} | {stage['steps']}, kept after "
            f"{stage['kept']} | {figures} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, help="folder of the trainings: writes training.json first")
    args = parser.parse_args()
    if args.runs:
        record_training(args.runs)
    report = json.loads((RESULTS / "storybook-test.json").read_text(encoding="utf-8"))
    record = json.loads((RESULTS / "training.json").read_text(encoding="utf-8"))
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
    look = RESULTS / "sketchbook-test.json"
    if look.is_file():
        other = json.loads(look.read_text(encoding="utf-8"))
        parts.append(
            "\n## On the second look (another hand, another way of writing), never seen in training\n"
            "`python -m diffusionret evaluate --data sketchbook --split test`\n\n" + results_table(other)
        )
    proof = RESULTS / "open_set.json"
    if proof.is_file():
        found = json.loads(proof.read_text(encoding="utf-8"))
        parts.append("\n## The open-set generator\n" + open_set(found))
    parts.append(f"\n## Training\nOn {record['machine']}.\n\n" + training(record["stages"]))
    CARD.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    block = (
        f"\n{results_table(report)}\n\n{gains(report)}\n\n{natural(report)} Minimal pairs: "
        f"{report['pairs']['direction']:.1f} (direction of motion) and {report['pairs']['roles']:.1f} (who does what "
        "to whom), where 50 is chance.\n"
    )
    readme = _between(README.read_text(encoding="utf-8"), START, END, block)
    bench = json.loads((RESULTS / "bench.json").read_text(encoding="utf-8"))
    readme = _between(readme, SPEED, SPEED_END, f"\n{speed(bench)}\n")
    README.write_text(readme, encoding="utf-8")
    print(f"wrote {CARD.relative_to(ROOT)}, and the results and the speed in {README.name}")


def _between(text: str, start: str, end: str, block: str) -> str:
    head, rest = text.split(start)
    return head + start + block + end + rest.split(end)[1]


if __name__ == "__main__":
    main()
