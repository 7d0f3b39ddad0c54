"""The things: what moves by wheels, wind or a hand. Each function draws a figure at a moment of its beat."""

from __future__ import annotations

import math

from .figures import Figure
from .shapes import blob, box, limb, moved, oval, polygon


def _wheel(figure: Figure, x: float, y: float, radius: float, beat: float) -> None:
    figure.add("tyre", oval(x, y, radius))
    figure.mark("metal", oval(x, y, radius * 0.55))
    spoke = moved(
        box(x - radius * 0.5, y - radius * 0.11, radius, radius * 0.22), turn=beat * 200, about=(x, y)
    )
    figure.mark("tyre", spoke)


def car(beat: float) -> Figure:
    f = Figure()
    f.add("body", polygon("-0.3,0 -0.22,-0.3 0.14,-0.3 0.3,0", 0.08))
    f.add("body", polygon("-0.5,0.25 -0.5,-0.06 0.34,-0.06 0.5,0.04 0.5,0.25", 0.09))
    f.mark("glass", polygon("-0.21,-0.04 -0.16,-0.23 -0.04,-0.23 -0.04,-0.04", 0.03))
    f.mark("glass", polygon("0.02,-0.04 0.02,-0.23 0.11,-0.23 0.21,-0.04", 0.03))
    f.mark("dark", box(-0.49, 0.15, 0.98, 0.06, 0.02))
    f.mark("lamp", oval(0.45, 0.06, 0.045, 0.055))
    f.eye(0.27, 0.035, 0.055)
    f.line("deep", 0.02, (-0.01, 0.0), (-0.01, 0.13))
    _wheel(f, -0.27, 0.24, 0.135, beat)
    _wheel(f, 0.27, 0.24, 0.135, beat)
    return f


def bus(beat: float) -> Figure:
    f = Figure()
    f.add("body", box(-0.5, -0.4, 1.0, 0.68, 0.1))
    f.mark("light", box(-0.44, -0.38, 0.88, 0.06, 0.03))
    for x in (-0.43, -0.2, 0.03):
        f.mark("glass", box(x, -0.27, 0.18, 0.2, 0.035))
    f.mark("glass", box(0.27, -0.27, 0.21, 0.24, 0.05))
    f.mark("pale", box(-0.5, 0.01, 1.0, 0.06))
    f.eye(0.39, -0.14, 0.05)
    f.mark("lamp", oval(0.45, 0.15, 0.04))
    f.mark("dark", box(-0.49, 0.2, 0.98, 0.07, 0.03))
    _wheel(f, -0.27, 0.29, 0.115, beat)
    _wheel(f, 0.25, 0.29, 0.115, beat)
    return f


def boat(beat: float) -> Figure:
    f = Figure()
    wind = 0.025 * math.sin(math.tau * beat * 0.5)
    f.add("wood", box(-0.055, -0.48, 0.05, 0.7, 0.02))
    f.add(
        "body",
        blob(
            (
                (0.01, -0.44),
                (0.2 + wind, -0.2),
                (0.36 + wind, 0.12),
                (0.17, 0.135),
                (0.01, 0.13),
                (0.01, -0.15),
            )
        ),
    )
    f.add("cloth", polygon("-0.09,-0.34 -0.09,0.13 -0.36,0.13", 0.03))
    f.mark("panel", polygon(((0.01, -0.2), (0.2 + wind, -0.2), (0.29 + wind, -0.03), (0.01, -0.03))))
    f.add("body", polygon(((-0.055, -0.5), (-0.055, -0.38), (-0.24, -0.44 + wind)), 0.01))
    f.add("body", blob("-0.5,0.16 0,0.2 0.5,0.13 0.34,0.42 0,0.46 -0.34,0.42"))
    f.mark("pale", polygon("-0.46,0.23 0.46,0.22 0.43,0.29 -0.42,0.3", 0.02))
    f.eye(0.28, 0.36, 0.04)
    return f


def airplane(beat: float) -> Figure:
    f = Figure()
    f.add("dark", polygon("-0.05,-0.04 -0.2,-0.3 -0.08,-0.3 0.17,-0.04", 0.03))
    f.add("body", polygon("-0.48,-0.36 -0.34,-0.36 -0.2,-0.02 -0.44,0.02", 0.04))
    f.add("body", blob("-0.46,-0.06 -0.2,-0.13 0.25,-0.14 0.44,-0.06 0.46,0.06 0.28,0.13 -0.15,0.12"))
    f.mark("glass", polygon("0.24,-0.11 0.36,-0.1 0.44,-0.01 0.28,-0.01", 0.03))
    f.mark("glass", *(oval(x, -0.02, 0.036) for x in (-0.22, -0.09, 0.04, 0.17)))
    f.add("deep", polygon("-0.02,0.05 0.17,0.05 -0.12,0.36 -0.26,0.36", 0.035))
    f.add("dark", polygon("-0.48,-0.02 -0.32,-0.02 -0.42,0.09 -0.52,0.09", 0.02))
    f.eye(0.36, -0.045, 0.042)
    reach = 0.17 * abs(math.cos(math.pi * beat * 1.7)) + 0.05
    f.add("metal", box(0.465, -reach, 0.035, 2 * reach, 0.015))
    return f


def rocket(beat: float) -> Figure:
    f = Figure()
    flame = 0.03 * math.sin(math.tau * beat * 1.3)
    f.add("fire", blob(((-0.11, 0.25), (0.11, 0.25), (0.09, 0.36), (0.0, 0.5 + flame), (-0.09, 0.36))))
    f.mark("lamp", blob(((-0.05, 0.26), (0.05, 0.26), (0.0, 0.41 + flame))))
    f.add("dark", polygon("-0.12,0.02 -0.3,0.24 -0.27,0.34 -0.1,0.24", 0.03))
    f.add("dark", polygon("0.12,0.02 0.3,0.24 0.27,0.34 0.1,0.24", 0.03))
    f.add("body", blob("0,-0.5 0.15,-0.24 0.17,0.04 0.11,0.28 -0.11,0.28 -0.17,0.04 -0.15,-0.24"))
    f.mark("pale", polygon("0,-0.49 0.115,-0.3 -0.115,-0.3", 0.02))
    f.mark("metal", oval(0.0, -0.12, 0.115))
    f.mark("glass", oval(0.0, -0.12, 0.088))
    f.eye(0.025, -0.12, 0.052)
    f.mark("deep", box(-0.115, 0.2, 0.23, 0.05, 0.02), box(-0.02, 0.03, 0.04, 0.13, 0.02))
    return f


def balloon(beat: float) -> Figure:
    """A toy balloon on a string."""
    f = Figure()
    sway = 0.07 * math.sin(math.tau * beat * 0.5)
    f.add("string", limb(0.0, 0.2, sway, 0.35, 0.028), limb(sway, 0.35, -sway, 0.49, 0.028))
    f.add("body", polygon("0,0.13 0.06,0.22 -0.06,0.22", 0.01))
    f.add("body", blob("0,-0.5 0.27,-0.38 0.31,-0.15 0.16,0.09 0,0.17 -0.16,0.09 -0.31,-0.15 -0.27,-0.38"))
    f.mark("pale", moved(oval(-0.15, -0.3, 0.055, 0.1), turn=28, about=(-0.15, -0.3)))
    f.eye(0.02, -0.13, 0.045)
    f.eye(0.16, -0.13, 0.045)
    f.line("ink", 0.022, (0.04, -0.02), (0.09, 0.03), (0.14, -0.02))
    return f


def ball(beat: float) -> Figure:
    """A beach ball; its star and one white panel show how it turns."""
    f = Figure()
    f.add("body", oval(0, 0, 0.48))
    f.mark("panel", blob("-0.06,-0.46 0.3,-0.37 0.2,-0.12 0.07,-0.02 -0.03,-0.2"))
    f.mark("dark", blob("-0.44,0.14 -0.22,0.12 0.02,0.05 -0.05,0.26 -0.13,0.45 -0.34,0.34"))
    f.mark("panel", blob("0.46,0.1 0.28,0.06 0.1,0.04 0.16,0.24 0.24,0.4 0.39,0.27"))
    f.mark("panel", oval(0.04, 0.01, 0.085))
    f.eye(-0.23, -0.14, 0.07)
    f.eye(-0.04, -0.17, 0.07)
    return f


def kite(beat: float) -> Figure:
    f = Figure()
    w = 0.06 * math.sin(math.tau * beat * 0.8)
    f.add("string", limb(0.0, 0.16, -0.1 + w, 0.3, 0.026), limb(-0.1 + w, 0.3, -0.2 - w, 0.48, 0.026))
    for x, y in ((-0.07 + w, 0.27), (-0.17 - w * 0.4, 0.41)):
        f.add("pale", polygon(((x, y), (x - 0.09, y - 0.06), (x - 0.09, y + 0.06)), 0.01))
        f.add("pale", polygon(((x, y), (x + 0.09, y - 0.05), (x + 0.09, y + 0.06)), 0.01))
    f.add("body", polygon("0.02,-0.5 0.36,-0.14 0,0.19 -0.32,-0.17", 0.02))
    f.mark("light", polygon("0.02,-0.48 0.012,-0.16 -0.3,-0.17"))
    f.mark("dark", polygon("0.012,-0.16 0.34,-0.14 0,0.17"))
    f.eye(-0.06, -0.17, 0.05)
    f.eye(0.12, -0.155, 0.05)
    f.line("ink", 0.024, (-0.02, -0.06), (0.035, -0.01), (0.09, -0.05))
    return f


def umbrella(beat: float) -> Figure:
    f = Figure()
    f.add("metal", box(-0.025, -0.5, 0.05, 0.14, 0.02))
    f.add("wood", box(-0.03, -0.08, 0.06, 0.46, 0.02))
    f.add("wood", blob("-0.03,0.33 0.03,0.33 0.04,0.4 0.1,0.41 0.14,0.34 0.2,0.35 0.14,0.47 0.02,0.49"))
    f.add(
        "body",
        blob(
            "-0.5,-0.02 -0.44,-0.22 -0.25,-0.39 0,-0.44 0.25,-0.39 0.44,-0.22 0.5,-0.02 "
            "0.33,-0.07 0.17,-0.01 0,-0.07 -0.17,-0.01 -0.33,-0.07"
        ),
    )
    f.mark("light", blob("0,-0.42 -0.13,-0.25 -0.17,-0.04 0,-0.09 0.17,-0.04 0.13,-0.25"))
    f.line("deep", 0.018, (0.0, -0.43), (-0.14, -0.27), (-0.17, -0.03))
    f.line("deep", 0.018, (0.0, -0.43), (0.14, -0.27), (0.17, -0.03))
    f.eye(0.21, -0.19, 0.045)
    f.eye(0.34, -0.18, 0.045)
    return f


def robot(beat: float) -> Figure:
    f = Figure()
    swing = 0.06 * math.sin(math.tau * beat)
    f.add(
        "metal",
        limb(-0.27, 0.05, -0.36 - swing, 0.22, 0.085),
        limb(0.27, 0.05, 0.36 + swing, 0.2 - swing, 0.085),
    )
    f.add("metal", limb(-0.12, 0.3, -0.12 + swing, 0.43, 0.1), limb(0.12, 0.3, 0.12 - swing, 0.43, 0.1))
    f.add("deep", box(-0.22 + swing, 0.41, 0.2, 0.09, 0.04), box(0.04 - swing, 0.41, 0.2, 0.09, 0.04))
    f.add("metal", limb(0.0, -0.36, 0.0, -0.46, 0.03), box(-0.07, -0.09, 0.14, 0.1))
    f.add("lamp", oval(0.0, -0.46, 0.05))
    f.add("body", box(-0.25, -0.03, 0.5, 0.36, 0.07))
    f.add("dark", box(-0.33, -0.28, 0.66, 0.1, 0.04))
    f.add("body", box(-0.28, -0.39, 0.56, 0.33, 0.09))
    f.mark("screen", box(-0.21, -0.33, 0.44, 0.2, 0.07))
    f.mark("lamp", oval(-0.07, -0.23, 0.055), oval(0.12, -0.23, 0.055))
    f.mark("pale", box(-0.15, 0.05, 0.3, 0.17, 0.03))
    f.mark("deep", oval(-0.07, 0.135, 0.035), box(0.0, 0.1, 0.11, 0.025), box(0.0, 0.15, 0.08, 0.025))
    return f
