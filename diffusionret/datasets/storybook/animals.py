"""The animals. Each function draws a figure at a moment of its beat (one beat = a step or a wing stroke)."""

from __future__ import annotations

import math

from .figures import Figure
from .shapes import blob, box, limb, moved, oval, polygon


def _wave(beat: float, reach: float) -> float:
    return round(reach * math.sin(math.tau * beat), 4)


def bird(beat: float) -> Figure:
    f = Figure()
    f.add("dark", polygon("-0.26,-0.02 -0.5,-0.14 -0.46,0.02 -0.49,0.13 -0.22,0.12", 0.02))
    f.add("beak", polygon("0.36,-0.16 0.52,-0.08 0.35,-0.03", 0.015))
    f.add("beak", limb(-0.02, 0.28, -0.04, 0.38, 0.035), limb(0.09, 0.28, 0.09, 0.38, 0.035))
    f.add(
        "body",
        blob(
            "-0.36,0.02 -0.2,-0.12 0.04,-0.16 0.14,-0.31 0.3,-0.31 0.39,-0.16 "
            "0.33,0.06 0.2,0.25 0,0.32 -0.22,0.23"
        ),
    )
    f.mark("pale", blob("0.3,0.02 0.18,0.23 0,0.29 -0.1,0.22 0.1,0.14"))
    wing = blob("0.1,-0.06 -0.06,-0.28 -0.3,-0.44 -0.27,-0.2 -0.2,0.02 -0.03,0.1")
    f.add("deep", moved(wing, sy=0.35 + 0.75 * math.sin(math.tau * beat), about=(0.0, 0.02)))
    f.eye(0.24, -0.17, 0.06)
    return f


def butterfly(beat: float) -> Figure:
    """Seen from above the shoulder: two pairs of wings that fold towards the body."""
    f = Figure()
    fold = 0.78 + 0.22 * math.sin(math.tau * beat)
    upper = blob("0.02,-0.04 0.12,-0.3 0.34,-0.44 0.48,-0.34 0.45,-0.12 0.24,0.02")
    lower = blob("0.02,0.02 0.24,0.03 0.4,0.14 0.36,0.36 0.2,0.4 0.07,0.2")
    for side in (1, -1):
        f.add("body", moved(upper, sx=side * fold), moved(lower, sx=side * fold))
        f.mark("dark", moved(oval(0.24, 0.22, 0.075, 0.09), sx=side * fold))
        f.mark("pale", moved(oval(0.32, -0.25, 0.08), sx=side * fold))
        f.mark("deep", moved(oval(0.2, -0.1, 0.055), sx=side * fold))
        f.add("ink", limb(0.0, -0.2, side * 0.1, -0.38, 0.026), oval(side * 0.1, -0.39, 0.028))
    f.add("ink", limb(0.0, -0.08, 0.0, 0.28, 0.085), oval(0.0, -0.17, 0.09))
    f.mark("eye", oval(-0.035, -0.18, 0.034), oval(0.045, -0.18, 0.034))
    return f


def bee(beat: float) -> Figure:
    f = Figure()
    flap = 22 * math.sin(math.tau * beat * 1.7)
    for x, turn in ((-0.1, -28), (0.06, 12)):
        f.add("wing", moved(oval(x, -0.3, 0.115, 0.2), turn=turn + flap, about=(x + 0.02, -0.12)))
    f.add("ink", polygon("-0.4,-0.01 -0.52,0.05 -0.4,0.11", 0.01))
    f.add("body", blob("-0.42,0.05 -0.34,-0.12 -0.1,-0.2 0.2,-0.16 0.3,0.05 0.2,0.24 -0.1,0.29 -0.34,0.21"))
    f.mark("ink", blob("-0.3,-0.14 -0.2,-0.175 -0.16,0.05 -0.2,0.26 -0.3,0.23 -0.25,0.05"))
    f.mark("ink", blob("-0.08,-0.19 0.04,-0.19 0.08,0.05 0.04,0.28 -0.08,0.29 -0.03,0.05"))
    f.add("body", oval(0.27, 0.03, 0.195))
    f.add("ink", limb(0.28, -0.14, 0.3, -0.28, 0.03), limb(0.36, -0.11, 0.45, -0.23, 0.03))
    f.add("ink", oval(0.305, -0.29, 0.035), oval(0.46, -0.24, 0.035))
    f.eye(0.33, 0.0, 0.065)
    f.line("ink", 0.022, (0.27, 0.13), (0.33, 0.17), (0.39, 0.12))
    return f


def fish(beat: float) -> Figure:
    f = Figure()
    swish = _wave(beat, 0.06)
    f.add(
        "dark",
        blob(
            (
                (-0.22, 0.0),
                (-0.42, -0.22 + swish),
                (-0.5, -0.2 + swish),
                (-0.43, 0.0 + swish),
                (-0.5, 0.22 + swish),
                (-0.4, 0.23 + swish),
            )
        ),
    )
    f.add("deep", blob("-0.12,-0.2 0,-0.38 0.16,-0.36 0.22,-0.16"))
    f.add("deep", blob("-0.04,0.22 -0.06,0.36 0.08,0.35 0.12,0.2"))
    f.add("body", blob("-0.3,0 -0.12,-0.2 0.14,-0.26 0.4,-0.14 0.49,0.02 0.38,0.17 0.14,0.26 -0.12,0.2"))
    f.mark("pale", blob("-0.1,0.12 0.16,0.12 0.38,0.12 0.14,0.235"))
    f.mark("light", blob("0.02,-0.235 0.1,-0.255 0.16,0 0.1,0.25 0.02,0.235 0.09,0"))
    f.mark("dark", moved(blob("0,-0.03 -0.14,-0.08 -0.16,0.04 -0.12,0.12 0.01,0.07"), turn=swish * 300))
    f.eye(0.31, -0.05, 0.075)
    f.line("ink", 0.024, (0.38, 0.1), (0.42, 0.1), (0.46, 0.06))
    return f


def turtle(beat: float) -> Figure:
    f = Figure()
    f.add("skin", polygon("-0.36,0.13 -0.5,0.2 -0.34,0.22", 0.02))
    f.legs("skin", beat * 0.7, ((-0.25, 0.16), (-0.12, 0.16), (0.08, 0.16), (0.2, 0.16)), 0.15, 0.12)
    f.add("skin", limb(0.24, 0.12, 0.37, -0.02, 0.13), oval(0.38, -0.05, 0.125, 0.11))
    f.add("body", blob("-0.4,0.17 -0.36,-0.06 -0.2,-0.25 -0.04,-0.29 0.13,-0.24 0.28,-0.06 0.32,0.17 0,0.19"))
    f.mark("dark", polygon("-0.12,-0.17 0.04,-0.17 0.09,-0.03 -0.04,0.06 -0.17,-0.03", 0.02))
    f.mark("dark", polygon("-0.34,0.04 -0.27,-0.1 -0.2,-0.04 -0.21,0.07", 0.02))
    f.mark("dark", polygon("0.12,-0.05 0.19,-0.1 0.26,0.04 0.13,0.07", 0.02))
    f.add("pale", box(-0.42, 0.12, 0.76, 0.09, 0.045))
    f.eye(0.41, -0.07, 0.05)
    f.line("ink", 0.02, (0.42, 0.01), (0.45, 0.02), (0.48, -0.01))
    return f


def cat(beat: float) -> Figure:
    """Pointed ears, whiskers, a long tail held high."""
    f = Figure()
    tip = _wave(beat * 0.5, 0.07)
    for piece in ((-0.29, 0.12, -0.43, 0.0), (-0.43, 0.0, -0.45, -0.17), (-0.45, -0.17, -0.38 + tip, -0.33)):
        f.add("body", limb(*piece, 0.085))
    f.legs("dark", beat, ((-0.2, 0.23), (0.08, 0.23)), 0.2, 0.085)
    f.legs("body", beat + 0.3, ((-0.26, 0.23), (0.14, 0.23)), 0.2, 0.09)
    f.add("body", blob("-0.35,0.16 -0.28,0.02 -0.05,-0.02 0.17,0 0.22,0.2 0.12,0.32 -0.1,0.33 -0.3,0.31"))
    f.mark("dark", *(box(x, 0.0, 0.045, 0.13, 0.02) for x in (-0.2, -0.1, 0.0)))
    f.add(
        "body",
        polygon("0.02,-0.16 0.04,-0.46 0.22,-0.3", 0.02),
        polygon("0.28,-0.3 0.44,-0.46 0.46,-0.16", 0.02),
    )
    f.mark(
        "rosy",
        polygon("0.07,-0.22 0.08,-0.37 0.17,-0.29", 0.01),
        polygon("0.33,-0.29 0.41,-0.37 0.42,-0.22", 0.01),
    )
    f.add("body", oval(0.24, -0.13, 0.25, 0.215))
    f.mark("pale", oval(0.28, -0.03, 0.12, 0.085))
    f.eye(0.16, -0.15, 0.055)
    f.eye(0.36, -0.15, 0.055)
    f.mark("ink", polygon("0.245,-0.075 0.315,-0.075 0.28,-0.03", 0.01))
    for y in (-0.06, 0.0):
        f.line("ink", 0.016, (0.38, y), (0.53, y - 0.02 + y * 0.5))
        f.line("ink", 0.016, (0.18, y), (0.03, y - 0.02 + y * 0.5))
    return f


def dog(beat: float) -> Figure:
    """Hanging ears, a long muzzle with a big nose, a collar, a short wagging tail."""
    f = Figure()
    f.add("body", limb(-0.33, 0.02, -0.46 + _wave(beat * 1.4, 0.06), -0.15, 0.09))
    f.legs("dark", beat, ((-0.22, 0.22), (0.07, 0.22)), 0.21, 0.1)
    f.legs("body", beat + 0.3, ((-0.29, 0.22), (0.15, 0.22)), 0.21, 0.105)
    f.add("body", blob("-0.39,0.12 -0.3,-0.03 0,-0.05 0.18,-0.08 0.23,0.16 0.14,0.31 -0.1,0.3 -0.33,0.31"))
    f.add("body", oval(0.17, -0.19, 0.2, 0.205))
    f.add("pale", blob("0.18,-0.2 0.36,-0.2 0.49,-0.14 0.47,-0.01 0.3,0.03 0.18,-0.01"))
    f.add("ink", oval(0.45, -0.15, 0.06, 0.05))
    f.line("ink", 0.022, (0.42, -0.04), (0.34, 0.0), (0.28, -0.04))
    f.eye(0.23, -0.24, 0.055)
    f.add("deep", blob("0,-0.37 0.1,-0.36 0.11,-0.2 0.07,0.01 -0.05,0.03 -0.1,-0.12 -0.06,-0.28"))
    f.mark("collar", polygon("0.02,0 0.24,0 0.24,0.055 0.02,0.06", 0.02))
    f.mark("lamp", oval(0.18, 0.07, 0.035))
    return f


def rabbit(beat: float) -> Figure:
    """Two long ears, a round body, a cotton tail."""
    f = Figure()
    flop = 8 * math.sin(math.tau * beat * 0.5)
    for x, turn in ((0.03, -14 + flop), (0.18, 10 + flop)):
        f.add("body", moved(oval(x, -0.32, 0.075, 0.2), turn=turn, about=(x, -0.14)))
        f.mark("rosy", moved(oval(x, -0.32, 0.036, 0.14), turn=turn, about=(x, -0.14)))
    f.add("cloth", oval(-0.36, 0.2, 0.1))
    f.legs("dark", beat, ((0.04, 0.3), (0.13, 0.3)), 0.14, 0.085)
    f.add("body", blob("-0.34,0.22 -0.24,0 -0.02,-0.05 0.16,0.08 0.18,0.32 -0.05,0.41 -0.28,0.4"))
    f.add("light", oval(-0.15, 0.3, 0.155, 0.135))
    f.add("body", limb(-0.24, 0.42, -0.02 + _wave(beat, 0.03), 0.43, 0.09))
    f.add("body", oval(0.14, -0.06, 0.2, 0.175))
    f.mark("pale", oval(0.26, 0.01, 0.085, 0.065))
    f.mark("rosy", oval(0.31, -0.035, 0.035, 0.028))
    f.eye(0.17, -0.09, 0.058)
    f.mark("eye", box(0.245, 0.04, 0.05, 0.05, 0.01))
    return f


def elephant(beat: float) -> Figure:
    f = Figure()
    lift = _wave(beat * 0.5, 0.04)
    f.add("dark", limb(-0.42, 0.0, -0.48, 0.15, 0.04))
    f.legs("dark", beat * 0.8, ((-0.18, 0.22), (0.06, 0.22)), 0.16, 0.14)
    f.add(
        "body", blob("-0.44,0.08 -0.36,-0.18 -0.1,-0.26 0.14,-0.22 0.2,0.06 0.1,0.27 -0.15,0.28 -0.38,0.27")
    )
    f.legs("body", beat * 0.8 + 0.35, ((-0.3, 0.2), (0.1, 0.2)), 0.18, 0.15)
    f.add("body", limb(0.34, -0.06, 0.4, 0.12, 0.15), limb(0.4, 0.12, 0.37, 0.26, 0.12))
    f.add("body", limb(0.37, 0.26, 0.45, 0.33 - lift, 0.1))
    f.add("body", oval(0.23, -0.13, 0.21, 0.2))
    f.add("eye", polygon("0.25,0.04 0.33,0.06 0.34,0.17", 0.02))
    f.add(
        "dark",
        moved(
            blob("0.1,-0.34 0.16,-0.18 0.11,0.06 -0.03,0.12 -0.17,0 -0.19,-0.2 -0.06,-0.36"), turn=lift * 150
        ),
    )
    f.mark(
        "rosy", moved(blob("0.05,-0.26 0.09,-0.16 0.05,0 -0.03,0.03 -0.11,-0.05 -0.11,-0.2"), turn=lift * 150)
    )
    f.eye(0.28, -0.15, 0.05)
    return f


def frog(beat: float) -> Figure:
    """Seen from the front: a wide mouth under two bulging eyes, legs folded at the sides."""
    f = Figure()
    push = _wave(beat, 0.03)
    for side in (-1, 1):
        f.add("dark", oval(side * 0.34, 0.2 + push, 0.14, 0.2, side * 22.0))
        f.add("deep", oval(side * 0.37, 0.37, 0.13, 0.05))
    f.add("body", blob("-0.4,0.06 -0.3,-0.16 0,-0.21 0.3,-0.16 0.4,0.06 0.28,0.33 0,0.38 -0.28,0.33"))
    f.mark("pale", oval(0.0, 0.25, 0.21, 0.12))
    for side in (-1, 1):
        f.add("dark", limb(side * 0.16, 0.24, side * 0.17, 0.36, 0.075))
        f.add("deep", oval(side * 0.18, 0.385, 0.1, 0.04))
        f.add("body", oval(side * 0.2, -0.22, 0.145))
        f.eye(side * 0.2 + 0.02, -0.235, 0.092)
    f.line("ink", 0.03, (-0.27, 0.0), (-0.12, 0.14), (0.12, 0.14), (0.27, 0.0))
    f.mark("rosy", oval(-0.31, 0.05, 0.05, 0.035), oval(0.31, 0.05, 0.05, 0.035))
    return f
