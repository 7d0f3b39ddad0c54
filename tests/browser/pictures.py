"""Pictures for the README, made anew from the bundled model: `python tests/browser/pictures.py` writes search-*.png,
watch-*.png, verdict-*.png, map-*.png, batch-*.png and the animation denoising.webp to assets/pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

from measure_watch import opened
from PIL import Image
from test_app import PLAYER

from demo.search import EXAMPLES
from diffusionret import Retriever

PICTURES = Path(__file__).resolve().parents[2] / "assets" / "pictures"
STEP = 34
POSTERS = "[...document.querySelectorAll('.dr-posters img')].every((image) => image.complete)"
WIDTH = 960  # of the animation
EDGE = 22  # pixels of the page around the player
HOLD = 16  # frames, for the end to be read
UNUSUAL = "a green cat plays chess on the beach"
BATCH = (
    *EXAMPLES["storybook"][:4], "a red boat at sea at night", "two politicians debate taxes", "qwzx fjrp vlkt",
    "ein rotes Auto", "?!",
)  # fmt: skip


def views(opener, query: str) -> Iterator[tuple]:
    """(page, "place-scheme") on desktop and phone, light and dark."""
    for place, viewport in {"desktop": (1440, 900), "phone": (390, 844)}.items():
        for scheme in ("light", "dark"):
            page = opener(
                query, viewport=dict(zip(("width", "height"), viewport, strict=True)), color_scheme=scheme,
                device_scale_factor=1 if place == "desktop" else 2,
            )  # fmt: skip
            yield page, f"{place}-{scheme}"
            page.context.close()


def found(opener) -> None:
    """What a newcomer sees first: a finished search."""
    for page, name in views(opener, ""):
        page.wait_for_function(
            "[...document.querySelectorAll('.dr-card img')].every("
            "(i) => i.complete || i.getBoundingClientRect().top > innerHeight)"  # those further down load later
        )
        page.wait_for_timeout(500)
        page.screenshot(path=PICTURES / f"search-{name}.png")


def stills(opener) -> None:
    """The first view of the player while the distribution appears."""
    for page, name in views(opener, f"?tab=watch&step={STEP}"):
        page.wait_for_function(POSTERS)
        page.wait_for_timeout(500)
        page.screenshot(path=PICTURES / f"watch-{name}.png")


def unusual(opener) -> None:
    """The verdict with its inspection, the map and the batch check, each as high as it is."""
    for page, name in views(opener, f"?q={quote_plus(UNUSUAL)}"):
        page.locator(".dr-why").click()
        page.wait_for_selector(".dr-inspection .dr-foot")
        _strip(page, ".dr-ood", ".dr-inspection").save(PICTURES / f"verdict-{name}.png", optimize=True)
        page.get_by_role("tab", name="Gallery").click()
        page.locator(".dr-open-map").click()
        page.wait_for_selector(".dr-map svg")
        page.locator(".dr-map .is-clip").nth(7).dispatch_event("pointerover")
        page.wait_for_function("document.querySelector('.dr-hover img')?.complete")
        _strip(page, ".dr-map", ".dr-map").save(PICTURES / f"map-{name}.png", optimize=True)
        page.get_by_role("tab", name="Evidence").click()
        page.locator("#batch-text textarea").fill("\n".join(BATCH))
        page.locator("#batch-check").click()
        page.wait_for_selector(".dr-batch table")
        _strip(page, ".dr-batch-head", ".dr-batch").save(PICTURES / f"batch-{name}.png", optimize=True)


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
        found(opener)
        stills(opener)
        unusual(opener)
        animation(opener)
