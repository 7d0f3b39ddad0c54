"""Pictures for the README, made anew from the bundled model: `python tests/browser/pictures.py` writes
search-desktop-light.png, watch-desktop-light.png, verdict-desktop-light.png and the animation denoising.webp to
assets/pictures. (method.svg beside them is drawn by hand.)"""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import quote_plus

from measure_watch import opened
from PIL import Image
from test_app import PLAYER

from diffusionret import Retriever

PICTURES = Path(__file__).resolve().parents[2] / "assets" / "pictures"
SEVERAL = "a boat at night"  # which several clips match
STEP = 8  # amid its denoising
POSTERS = "[...document.querySelectorAll('.dr-posters img')].every((image) => image.complete)"
WIDTH = 960  # of the animation
EDGE = 22  # pixels of the page around the player
HOLD = 16  # frames, for the end to be read
UNUSUAL = "a green cat plays chess on the beach"


def search(opener) -> None:
    """What a newcomer sees first: a finished search."""
    page = opener("")
    page.wait_for_function(
        "[...document.querySelectorAll('.dr-card img')].every("
        "(i) => i.complete || i.getBoundingClientRect().top > innerHeight)"  # those further down load later
    )
    page.wait_for_timeout(500)
    page.screenshot(path=PICTURES / "search-desktop-light.png")
    page.context.close()


def watch(opener) -> None:
    """The first view of the player while the distribution appears."""
    page = opener(f"?q={quote_plus(SEVERAL)}&tab=watch&step={STEP}")
    page.wait_for_function(POSTERS)
    page.wait_for_timeout(500)
    page.screenshot(path=PICTURES / "watch-desktop-light.png")
    page.context.close()


def verdict(opener) -> None:
    """The verdict on an unusual query with its inspection, as high as it is."""
    page = opener(f"?q={quote_plus(UNUSUAL)}")
    page.locator(".dr-why").click()
    page.wait_for_selector(".dr-inspection .dr-foot")
    _strip(page, ".dr-ood", ".dr-inspection").save(PICTURES / "verdict-desktop-light.png", optimize=True)
    page.context.close()


def _strip(page, first: str, last: str) -> Image.Image:
    """The page from the top of one element to the end of another."""
    page.wait_for_timeout(500)  # whatever moves comes to rest
    whole = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    scale = whole.width / page.viewport_size["width"]
    ends = (
        "node => [node.getBoundingClientRect().top + scrollY, node.getBoundingClientRect().bottom + scrollY]"
    )
    top, _ = page.locator(first).evaluate(ends)
    _, end = page.locator(last).evaluate(ends)
    return whole.crop((0, round(max(top - EDGE, 0) * scale), whole.width, round((end + EDGE) * scale)))


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
        search(opener)
        watch(opener)
        verdict(opener)
        animation(opener)
