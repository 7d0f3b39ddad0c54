"""The Watch tab in headless Chromium, over the bundled model and gallery."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from test_app import CHROMIUM, PLAYER, SHARES, browser, step, visit  # noqa: F401 (fixtures)

from demo import search
from diffusionret import Retriever
from diffusionret.trajectory import Ensemble

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.fixture(scope="module")
def address():
    from demo import app

    retriever = Retriever.bundled("cpu")
    page = app.build(retriever)
    _, url, _ = page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **app.serving(retriever)
    )
    yield url
    page.close()


def steps(page) -> int:
    return page.evaluate(f"{PLAYER}.data.steps")


def fold(page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_the_last_distribution_is_the_library_s(visit):  # noqa: F811
    retriever = Retriever.bundled("cpu")
    first, *rest = (example.query for example in search.EXAMPLES["storybook"])
    other = retriever.model.forms[1:]
    for query, form in [
        (first, None),
        *((query, None) for query in rest),
        *((first, form) for form in other),
    ]:
        named = "" if form is None else f"&generator={form}"
        page = visit(f"?q={quote_plus(query)}&tab=watch&step=1000{named}")
        page.wait_for_selector(".dr-theatre")
        form = form or retriever.model.forms[0]
        trajectory = retriever.search(query, form=form).trajectory
        sent = page.evaluate(f"Array.from({PLAYER}.data.prediction.at(-1))")
        assert sent == pytest.approx(trajectory.predictions[-1, 0, 0].tolist(), abs=1e-6)
        assert page.evaluate(SHARES) == pytest.approx(Ensemble.of(trajectory).mean[-1].tolist(), abs=1e-6)
        assert step(page) == steps(page) == len(trajectory.x0)
        page.close()


def test_another_noise_starts_elsewhere_and_plays(visit):  # noqa: F811
    page = visit("?tab=watch")
    page.wait_for_selector(".dr-theatre")
    noise = page.evaluate(f"Array.from({PLAYER}.data.state[0])")
    page.get_by_role("button", name="Another noise").click()
    page.wait_for_function(f"{PLAYER}.data.seed === 1 && {PLAYER}.at > 0")
    assert page.evaluate(f"Array.from({PLAYER}.data.state[0])") != noise
    page.wait_for_function("location.search.includes('seed=1')")


def test_the_page_writes_shares_as_the_server_does(visit):  # noqa: F811
    page = visit("?tab=watch")
    shares = [0, 0.0004, 0.0011, 0.004, 0.0123, 0.0994, 0.0996, 0.5, 0.996, 1]
    written = page.evaluate("(shares) => shares.map(window.DiffusionRet.percent)", shares)
    assert written == [search.percent(share) for share in shares]


def test_keys_play_pause_and_step(visit):  # noqa: F811
    page = visit("?tab=watch")
    page.locator(".dr-theatre").focus()
    assert step(page) == steps(page)
    page.keyboard.press("Space")
    page.wait_for_function(f"{PLAYER}.playing && {PLAYER}.at > 2")
    page.keyboard.press("Space")
    assert not page.evaluate(f"{PLAYER}.playing")
    now = step(page)
    page.keyboard.press("ArrowRight")
    assert step(page) == now + 1
    page.keyboard.press("End")
    assert step(page) == steps(page)
    page.keyboard.press("Home")
    assert step(page) == 0


def test_every_panel_opens_alone_and_follows_the_player(visit):  # noqa: F811
    page = visit("?tab=watch")
    page.wait_for_selector(".dr-folds")
    for name, seen in {
        "What is drawn": ".dr-drawing canvas", "Whole trajectory": ".dr-chart .main-svg", "Noise": ".dr-one canvas",
        "Inside a step": ".dr-words td", "Forward process": ".dr-chart .main-svg",
        "p(query)": ".dr-bar", "Export": ".dr-export",
    }.items():  # fmt: skip
        fold(page, name)
        page.wait_for_selector(f".dr-panel {seen}")
        assert page.locator(".dr-folds [aria-expanded=true]").all_inner_texts() == [name]
    fold(page, "Whole trajectory")
    page.wait_for_selector(".dr-chart-mark")
    before = page.locator(".dr-chart-mark").first.get_attribute("style")
    page.evaluate(f"{PLAYER}.go(3)")
    assert page.locator(".dr-chart-mark").first.get_attribute("style") != before
    assert page.locator("gradio-plot, .gr-plot, [data-testid=plotly]").count() == 0  # no gr.Plot


def test_a_link_restores_query_noise_step_readout_and_panel(visit):  # noqa: F811
    link = (
        "?q=a+purple+robot&seed=4&candidates=16&steps=20&tab=watch&step=7&readout=published&signed=prediction"
    )
    page = visit(f"{link}&panel=drawn&generator=published")
    page.wait_for_selector(".dr-drawing")
    assert page.locator("#query textarea").input_value() == "a purple robot"
    now = page.evaluate(
        f"(({{data, at, view}}) => [data.seed, data.K, data.steps, at, view.readout, view.signed])({PLAYER})"
    )
    assert now == [4, 16, 20, 7, "published", "prediction"]
    page.wait_for_function("location.search.includes('panel=drawn') && location.search.includes('step=7')")
    again = visit("?" + page.evaluate("location.search.slice(1)"))
    again.wait_for_selector(".dr-drawing")
    assert again.evaluate(SHARES) == page.evaluate(SHARES)


def test_a_link_restores_the_candidate_that_is_explained(visit):  # noqa: F811
    page = visit("?tab=watch&panel=inside&explain=3")
    page.wait_for_selector(".dr-words td")
    assert page.get_by_label("Candidate to explain").input_value() == "2"
    page.wait_for_function("location.search.includes('explain=3')")


def test_word_by_word_is_a_scene_of_its_own(visit):  # noqa: F811
    page = visit("?q=a+dog+in+the+desert&tab=watch")
    page.get_by_role("button", name="Word by word").click()
    page.wait_for_selector(".dr-said li")
    assert page.locator(".dr-said li").count() == 5 and not page.locator(".dr-transport").is_visible()
    said = page.locator(".dr-said-number b").all_inner_texts()
    numbers = [float(text) for text in said if text != "–"]  # "a" alone names no clip
    assert len(numbers) >= 4 and numbers[-1] < numbers[0], "words gather what is drawn"
    page.wait_for_function("location.search.includes('scene=words')")
    page.get_by_role("button", name="Say it word by word").click()
    page.wait_for_function("document.querySelectorAll('.dr-said .is-unsaid').length > 0")
    page.wait_for_function("document.querySelectorAll('.dr-said .is-unsaid').length === 0")
    page.get_by_role("button", name="Step by step").click()
    assert page.locator(".dr-transport").is_visible() and not page.locator(".dr-said").is_visible()


def test_two_queries_side_by_side(visit):  # noqa: F811
    page = visit("?tab=watch&step=0&panel=compare")
    page.locator(".dr-form input[name=query]").fill("a big orange frog by the sea at night")
    page.locator(".dr-form button").click()
    page.wait_for_selector(".dr-strip")
    assert "differs most" in page.locator(".dr-told").inner_text()
    assert page.locator(".dr-panel canvas.is-share").count() == 2
    assert page.locator(".dr-panel .dr-drawing .dr-note").first.inner_text().startswith("Pure noise")
    painted = "node => new Set(node.getContext('2d').getImageData(0, 0, node.width, node.height).data).size"
    assert page.locator(".dr-panel canvas.is-share").first.evaluate(painted) > 4, "it shows where it will end"


def test_the_tour_stops_five_times(visit):  # noqa: F811
    page = visit("?tab=watch")
    page.locator(".dr-tour-start").click()
    titles = []
    for _ in range(5):
        titles.append(page.locator(".dr-tour h2").inner_text())
        assert page.locator(".dr-tour math").count() >= 1
        page.locator(".dr-tour .is-next").click()
    assert len(set(titles)) == 5 and page.locator(".dr-tour").count() == 0
    assert step(page) == steps(page)


def test_what_is_exported_plays_from_a_file(visit, browser, tmp_path):  # noqa: F811
    page = visit("?tab=watch&panel=export")
    page.wait_for_selector(".dr-export")
    files: dict[str, Path] = {}
    for name in ("Data as JSON", "Data as CSV", "Animation as HTML"):
        with page.expect_download() as waiting:
            fold(page, name)
        files[name] = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(files[name])
    data = json.loads(files["Data as JSON"].read_text())
    frames, count = 1 + steps(page), page.evaluate(f"{PLAYER}.data.K")
    assert len(data["x"]) == frames and len(data["x"][0]) == count
    assert len(data["share"]) == frames - 1 and len(data["share"][-1]) == page.evaluate(
        f"{PLAYER}.data.columns"
    )
    assert len(files["Data as CSV"].read_text().splitlines()) == 1 + frames * count
    context = browser.new_context(offline=True)
    alone = context.new_page()
    asked: list[str] = []
    alone.on("request", lambda request: asked.append(request.url))
    alone.goto(files["Animation as HTML"].as_uri())
    alone.wait_for_selector(".dr-theatre")
    alone.get_by_role("button", name="Play", exact=True).click()
    alone.wait_for_function("Number(document.querySelector('.dr-theatre').dataset.step) > 3")
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    context.close()
