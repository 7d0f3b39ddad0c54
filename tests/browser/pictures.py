"""Pictures of the Watch tab for the README, made anew from the bundled model: `python tests/browser/pictures.py`
writes assets/pictures/watch-*.png and the animation denoising.webp."""

from __future__ import annotations

import io
from pathlib import Path

from measure_watch import opened
from PIL import Image
from test_app import PLAYER

from diffusionret import Retriever

PICTURES = Path(__file__).resolve().parents[2] / "assets" / "pictures"
STEP = 34
POSTERS = "[...document.querySelectorAll('.dr-posters img')].every((image) => image.complete)"
WIDTH = 960  # of the animation
EDGE = 22  # pixels of the page around the player
HOLD = 16  # frames, for the end to be read


def stills(opener) -> None:
    """The first view while the distribution appears: desktop and phone, light and dark."""
    for place, viewport in {"desktop": (1440, 900), "phone": (390, 844)}.items():
        for scheme in ("light", "dark"):
            page = opener(
                f"?tab=watch&step={STEP}", viewport=dict(zip(("width", "height"), viewport, strict=True)),
                color_scheme=scheme, device_scale_factor=1 if place == "desktop" else 2,
            )  # fmt: skip
            page.wait_for_function(POSTERS)
            page.wait_for_timeout(500)
            page.screenshot(path=PICTURES / f"watch-{place}-{scheme}.png")
            page.context.close()


def animation(opener) -> None:
    """Every step of one denoising, as the player draws it."""
    page = opener("?tab=watch", viewport={"width": 1280, "height": 900})
    page.wait_for_function(POSTERS)
    steps = page.evaluate(f"{PLAYER}.data.steps")
    box = page.locator(".dr-theatre").bounding_box()
    assert box is not None
    edge = {"x": -EDGE, "y": -EDGE, "width": 2 * EDGE, "height": 2 * EDGE}
    box = {name: box[name] + more for name, more in edge.items()}
    frames = []
    for step in range(steps + 1):
        page.evaluate(f"{PLAYER}.go({step})")
        image = Image.open(io.BytesIO(page.screenshot(clip=box)))
        size = WIDTH, round(WIDTH * image.height / image.width)
        frames.append(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    frames[0].save(
        PICTURES / "denoising.webp", save_all=True, append_images=frames[1:] + [frames[-1]] * HOLD, duration=120,
        loop=0, quality=82, method=4,
    )  # fmt: skip
    page.context.close()


if __name__ == "__main__":
    with opened(Retriever.bundled("cpu")) as opener:
        stills(opener)
        animation(opener)
