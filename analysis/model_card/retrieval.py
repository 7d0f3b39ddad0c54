"""Retrieval in tables and sentences."""

from __future__ import annotations

from diffusionret.config import SETTINGS


def results_table(report: dict) -> str:
    """Both directions and natural captions, before, after and generator alone; then the generator that is not asked."""
    lines = ["| | R@1 | R@5 | R@10 | MdR | MnR |", "|---|---|---|---|---|---|"]
    parts = [("t2v", "text to video"), ("v2t", "video to text"), ("natural", "natural captions")]
    sections = [(report[key], title, ("before", "after", "generator_only")) for key, title in parts]
    for form in SETTINGS:
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


def in_short(report: dict) -> str:
    """The retrieval figures in a paragraph, bad news included."""
    full, back, loose = report["t2v"], report["v2t"], report["natural"]
    gain, low, high = full["gain_R1"]
    pairs = report["pairs"]
    return (
        f"Of {report['queries']:,} clips that training never saw, a full caption finds its own first in "
        f"{full['after']['R1']:.1f} % of the cases and a clip its caption in {back['after']['R1']:.1f} %; generation "
        f"changes that by {gain:+.1f} [{low:+.1f}, {high:+.1f}] points. A caption that "
        f"leaves things out, as people write, finds its own clip first in "
        f"{loose['before']['R1']:.1f} % before and {loose['after']['R1']:.1f} % after generation, and a clip that fits "
        f"in {loose['before']['top1_fits']:.1f} %: it fits {loose['clips_that_fit']:.2f} clips on average, so that "
        f"{loose['ceiling_R1']:.1f} is what a search would be expected to reach that always finds a clip that fits and "
        f"cannot know which one is meant. Of two clips that differ in one thing only, "
        f"{pairs['direction']:.1f} % (direction of motion) and {pairs['roles']:.1f} % (who does what to whom) are told "
        "apart, where 50 is chance."
    )


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
        f"A natural caption fits {row['clips_that_fit']:.2f} of the 1,000 clips on average, so a search that always "
        "finds a clip that fits, and cannot know which one is meant, has an expected R@1 of "
        f"{row['ceiling_R1']:.1f}; the model reaches {100 * best['of_ceiling']:.1f} % of that, and its first result "
        f"fits the caption in {best['top1_fits']:.1f} % of the cases."
    )
