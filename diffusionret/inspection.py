"""The two answers about one query, and why, as text."""

from __future__ import annotations

from .calibration import say_p
from .detector import Answer, Report

NOT_MEANT = "A p-value is no probability of being out of distribution, and no promise that what is unusual is detected."


def as_text(report: Report) -> str:
    """A report for people."""
    lines = [report.sentence]
    if report.advice:
        lines.append(f"Next: {report.advice}")
    if report.truncated:
        lines.append(f'Not read by the model: "{report.truncated}"')
    if report.rule:
        return "\n".join(lines)
    lines += [f"familiar  {describe(report.familiar)}", f"match     {describe(report.match)}"]
    if report.unknown_words:
        lines.append(f"words never seen in training: {', '.join(report.unknown_words)}")
    if report.neighbours:
        lines.append("nearest training captions (1 - cosine):")
        lines += [f"  {neighbour.distance:.3f}  {neighbour.text}" for neighbour in report.neighbours]
    if report.words:
        lines.append("without the word: p familiar, p match")
        lines += [f"  {word.word:16} {_p(word.familiar):>6} {_p(word.match):>6}" for word in report.words]
    if report.stability:
        s = report.stability
        lines.append(
            f"stability of the re-ranking: {s.agreement:.0%} of {s.seeds} seeds agree on the winner, whose x0 is "
            f"{s.gap:.3f} ahead; entropy {s.entropy:.2f} nats; the leader last changed at {s.settled:.0%} of the steps"
        )
    if report.scores and "no_match" in report.scores:
        lines.append(f"the generator gives {report.scores['no_match']:.0%} to no candidate matching")
    return "\n".join([*lines, f"gallery {report.gallery[:12]}. {NOT_MEANT}"])


def describe(answer: Answer) -> str:
    """An answer in one line."""
    if answer.p_value is None or answer.score is None:
        return answer.note
    kind = "ordinary" if answer.null == "ordinary" else "unrelated"
    count = answer.as_unusual if answer.null == "ordinary" else answer.n - (answer.as_unusual or 0)
    looks = "look this unusual" if answer.null == "ordinary" else "match worse"
    flag = "FLAGGED" if answer.flagged else "not flagged"
    return (
        f"{say_p(answer.p_value, answer.n)}: {count} of {answer.n} {kind} queries {looks}; "
        f"{flag} at alpha {answer.alpha:g} (score {answer.score:.4g})"
    )


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
