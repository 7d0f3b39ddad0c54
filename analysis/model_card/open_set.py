"""The open-set generator's figures."""

from __future__ import annotations


def open_set(results: dict) -> str:
    """Calibration, ranking and "no match" of the open-set generator, from open_set.json."""
    lines = [f"`{results['command']}`, {results['minutes']} minutes. {results['shows']}\n"]
    lines += ["| probability | by | look | expected calibration error | log loss |", "|---|---|---|---|---|"]
    for row in results["calibration"]:
        low, high = row["interval"]
        lines.append(
            f"| {row['probability of']} | {row['by']} | {row['look']} | {row['calibration_error']:.4f} "
            f"[{low:.4f}, {high:.4f}] | {row['log_loss']:.4f} |"
        )
    lines += [
        "\n| ranked by | captions | look | R@1 | ceiling | gain over similarity |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["retrieval"]:
        low, high = row["gain_interval"]
        lines.append(
            f"| {row['ranked by']} | {row['captions']}, {row['direction']} | {row['look']} | {row['R1']:.1f} "
            f"| {row['ceiling']:.1f} | {row['gain_over_similarity']:+.1f} [{low:+.1f}, {high:+.1f}] |"
        )
    lines += ["\n| no match told by | look | AUROC |", "|---|---|---|"]
    for row in results["no_match"]:
        low, high = row["interval"]
        lines.append(f"| {row['score']} | {row['look']} | {row['auroc']:.3f} [{low:.3f}, {high:.3f}] |")
    lines += ["\n| training seed | " + " | ".join(list(results["training_seeds"][0])[1:]) + " |"]
    lines += ["|---" * len(results["training_seeds"][0]) + "|"]
    for row in results["training_seeds"]:
        cells = (v if isinstance(v, str) else f"{v:.4g}" for v in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
