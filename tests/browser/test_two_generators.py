"""Two generators in headless Chromium, over a tiny untrained model: the open-set one answers, the other is a choice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_app import CHROMIUM, PLAYER, SHARES, browser, visit  # noqa: F401 (fixtures)
from tiny import CONFIG, features, tiny_model

from demo import watch
from diffusionret import Gallery, Retriever
from diffusionret.config import OpenSetConfig
from diffusionret.readout import ONE_OR_NONE
from diffusionret.trajectory import Ensemble

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    openset = OpenSetConfig(steps=10, width=16, heads=2)
    model = tiny_model(config=replace(CONFIG, openset=openset, form="open-set"))
    _, video = features(1, 12, seed=3)
    return Retriever(model, Gallery.in_memory(video, captions=[f"clip {i}" for i in range(12)]), "cpu")


@pytest.fixture(scope="module")
def address(retriever):
    from demo import app

    page = app.build(retriever, read_only=True)
    serving = app.serving(retriever)
    _, url, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **serving)
    yield url
    page.close()


def test_the_player_starts_with_the_open_set_generator_and_switches(visit, retriever):  # noqa: F811
    page = visit("?q=a+red+boat&tab=watch&candidates=8&step=1000")
    page.wait_for_selector(".dr-theatre")
    trajectory = retriever.search("a red boat", candidates=8, steps=10).trajectory
    assert page.evaluate(f"{PLAYER}.data.form") == trajectory.form == "open-set"
    shares = page.evaluate(SHARES)  # eight candidates and, behind them, none
    assert len(shares) == 9 and page.evaluate(f"{PLAYER}.data.items.at(-1).caption") == "no clip"
    assert shares == pytest.approx(Ensemble.of(trajectory).mean[-1].tolist(), abs=1e-4)
    page.get_by_role("button", name="this noise").click()
    one = ONE_OR_NONE.columns(trajectory.predictions[-1, 0, 0]).tolist()
    assert page.evaluate(SHARES) == pytest.approx(one, abs=1e-4) and sum(one) == pytest.approx(1)
    assert "No network runs in a step" in page.locator(".dr-honest").inner_text()

    page.locator(".dr-choose").get_by_label("Generator").select_option("published")
    page.wait_for_function(f"{PLAYER}.data.form === 'published'")
    assert page.evaluate(f"{PLAYER}.data.columns") == 8
    page.wait_for_function("location.search.includes('generator=published')")


def test_the_noises_are_an_ensemble_of_players(visit):  # noqa: F811
    page = visit("?q=a+red+boat&tab=watch&candidates=8&step=1000&panel=noise")
    page.wait_for_selector(".dr-settled li")
    assert page.locator(".dr-one").count() == watch.SEEDS
    assert "in the first step" in page.locator(".dr-settled").inner_text()
    page.locator(".dr-one").nth(3).click()  # its noise is played
    page.wait_for_function(f"{PLAYER}.data.seed === 3")


def test_the_cards_say_how_probable_a_match_is(visit):  # noqa: F811
    page = visit("?q=a+red+boat&candidates=8")
    assert page.locator(".dr-share").first.inner_text().startswith("p(match)")


def test_the_server_takes_no_files(visit, address):  # noqa: F811
    page = visit("?tab=evidence")
    page.wait_for_selector("#batch-text")
    sent = page.request.post(f"{address}gradio_api/upload", multipart={
        "files": {"name": "a.txt", "mimeType": "text/plain", "buffer": b"a red boat"}
    })  # fmt: skip
    assert not sent.ok
