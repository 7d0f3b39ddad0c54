"""The app: one query box above four tabs. `python -m demo`, or this file executed, as a Space does."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import: it looks hosts up

if __name__ == "__main__":  # executed as a file: the package is found from the folder above
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from demo.__main__ import start

    sys.exit(start())

import gradio as gr
from gradio.events import api
from starlette.middleware import Middleware

from diffusionret import Retriever
from diffusionret.config import GeneratorConfig
from diffusionret.query import check_number

from . import (
    batch,
    doors,
    evidence,
    gallery,
    limits,
    media,
    questions,
    search,
    theme,
    verdict,
    watch,
    watch_look,
)
from . import map as worldmap
from .clips import name_of

SELECT = "window.DiffusionRet.mountResults(element, watch, trigger);"
CHOOSE = "window.DiffusionRet.mountChips(element);"
PLAYER = "window.DiffusionRet.mountPlayer(element, props, watch, trigger);"
TABS = ("search", "watch", "gallery", "evidence")
CANDIDATES, K, MOST_K = 32, 10, 50
MOST_HITS = 1000  # of the endpoint, which draws none
MOST_WORDS = 200  # characters of the filter of the gallery
WAITING = 200  # questions that may wait for their turn, over all visitors


def build(retriever: Retriever, read_only: bool = False) -> gr.Blocks:
    """The whole page over one retriever. Nothing is searched before the page is opened.

    read_only: for visitors, who may ask and look, but leave nothing behind: a map that one of them opens first is not
    kept beside the gallery.
    """
    clips, model = retriever.gallery, retriever.model
    forms = model.forms if retriever.generates else ()

    def denoising(form: str | None = None) -> GeneratorConfig:
        return model.choose(form).config if forms else GeneratorConfig()

    usual = denoising().usual_steps
    queries = search.examples(model.config.dataset)

    def answer(
        text: str, k: int, candidates: int, steps: int, seed: int, form: str | None = None, typed: str = ""
    ) -> tuple:
        """The problem, the Search tab and the player, for one query. A problem leaves what is shown alone.

        typed: the query that is searched for exactly as it stands, "" where there is none.
        """
        exact = bool(text) and text == typed
        try:
            # Every candidate is asked for, because the player draws them all; the cards show the first k files.
            k, candidates = (
                check_number("Results", k, 1, MOST_K),
                check_number("Candidates", candidates, 1, watch.MOST_CANDIDATES),
            )
            form = form if form in forms else next(iter(forms), None)
            result = retriever.search(text, k, candidates, steps, seed, form=form, exact=exact, per_file=True)
        except ValueError as error:
            return search.problem(str(error)), gr.skip(), gr.skip()
        found = search.page(result, k, clips.file_count, exact)
        return search.cut(result.truncated), found, watch.show(retriever, result)

    def first(request: gr.Request) -> tuple:
        """What the page opens with: the query of its address, else the first example."""
        asked = request.query_params
        text = asked.get("q") or queries[0]
        k = min(_number(asked.get("k"), K, 1, MOST_K), max(len(clips), 1))
        candidates = _number(asked.get("candidates"), min(CANDIDATES, len(clips)), 1, watch.MOST_CANDIDATES)
        seed = _number(asked.get("seed"), 0, 0, watch.MOST_SEED)
        tab = asked.get("tab") if asked.get("tab") in TABS else TABS[0]
        form = asked.get("generator") if asked.get("generator") in forms else next(iter(forms), None)
        config = denoising(form)
        steps = _number(asked.get("steps"), config.usual_steps, 1, config.steps)
        chosen = (
            k,
            min(candidates, max(len(clips), 1)),
            steps,
            seed,
            form,
            text if asked.get("exact") else "",
        )
        return gr.Tabs(selected=tab), text, *chosen, *answer(text, *chosen)

    def replayed(
        event: gr.EventData,
        text: str,
        k: int,
        candidates: int,
        steps: int,
        seed: int,
        form: str | None = None,
        typed: str = "",
    ) -> tuple:
        """The player asked for another noise, other steps or candidates, or the other generator."""
        wanted = dict(event._data) if isinstance(event._data, dict) else {}
        if wanted.get("form") not in forms:  # an event may say anything
            wanted.pop("form", None)
        if wanted.get("form", form) != form:  # each takes the steps that it needs, unless told otherwise
            form = wanted["form"]
            steps = denoising(form).usual_steps
        try:
            chosen = (
                check_number("Candidates", wanted.get("candidates", candidates), 1, watch.MOST_CANDIDATES),
                check_number("Steps", wanted.get("steps", steps), 1, denoising(form).steps),
                check_number("Seed", wanted.get("seed", seed), 0, watch.MOST_SEED),
                form,
            )
        except ValueError as error:
            return *4 * [gr.skip()], search.problem(str(error)), gr.skip(), gr.skip()
        return *chosen, *answer(text, k, *chosen, typed)

    def turned(
        text: str, k: int, candidates: int, steps: int, seed: int, form: str | None = None, typed: str = ""
    ) -> tuple:
        """The other generator, with as many steps as it needs."""
        steps = denoising(form).usual_steps
        return steps, *answer(text, k, candidates, steps, seed, form, typed)

    def selected(
        event: gr.EventData,
        text: str,
        k: int,
        candidates: int,
        steps: int,
        seed: int,
        form: str | None = None,
        typed: str = "",
    ) -> tuple:
        """Clips like one clip, the way back, or another query: one that was offered, or exactly what was typed."""
        wanted = event._data if isinstance(event._data, dict) else {}
        id, other = wanted.get("similar"), wanted.get("query")
        if isinstance(other, str):
            typed = other if wanted.get("exact") is True else ""
            return other, typed, *answer(other, k, candidates, steps, seed, form, typed)
        if not isinstance(id, str) or not id:
            return gr.skip(), gr.skip(), *answer(text, k, candidates, steps, seed, form, typed)
        try:
            hits = retriever.similar(id, k)
            called = name_of(id, clips.captions[clips.position(id)])
        except ValueError as error:
            return gr.skip(), gr.skip(), search.problem(str(error)), gr.skip(), gr.skip()
        return gr.skip(), gr.skip(), "", search.similar_page(called, hits), gr.skip()

    def endpoint(
        query: str,
        k: int = K,
        candidates: int = CANDIDATES,
        steps: int = usual,
        seed: int = 0,
        exact: bool = False,
    ) -> dict:
        """The best videos for a sentence: {"query": {...}, "hits": [...], "ood": ..., "timings": ...}.

        query: what should be seen. k: how many videos. candidates: how many of them the generator weighs.
        steps: of denoising. seed: of the noise. exact: whether typing errors stay.
        """
        try:
            k, candidates = (
                check_number("k", k, 1, MOST_HITS),
                check_number("candidates", candidates, 1, MOST_HITS),
            )
            return retriever.search(query, k, candidates, steps, seed, exact=exact).to_dict()
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error

    with gr.Blocks(title="DiffusionRet", fill_width=True) as page:
        gr.HTML(_header(retriever), apply_default_css=False)
        query = gr.Textbox(
            show_label=False, label="Query", placeholder="Describe what should be seen", lines=1, max_lines=4,
            submit_btn="Search", container=False, elem_id="query",
            html_attributes=gr.InputHTMLAttributes(autocorrect="off", spellcheck=False),
        )  # fmt: skip
        typed = gr.State("")  # the query that is searched for exactly as it stands
        trouble = gr.HTML(apply_default_css=False, elem_id="trouble")
        questions.wire(
            {
                "inspection": verdict.inspection(retriever),
                "look": watch_look.panel(retriever),
                "map": worldmap.panel(retriever, read_only),
            }
        )
        gr.HTML(search.chips(queries), js_on_load=CHOOSE, apply_default_css=False)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Search", id="search"):
                found = gr.HTML(
                    js_on_load=SELECT + verdict.SCRIPT, apply_default_css=False, elem_id="found"
                )  # fmt: skip
                settings = _settings(retriever, denoising())
            with gr.Tab("Watch", id="watch"):
                player = gr.HTML(
                    html_template=watch.TEMPLATE, js_on_load=PLAYER, apply_default_css=False, elem_id="player"
                )  # fmt: skip
            with gr.Tab("Gallery", id="gallery"):
                gr.HTML(worldmap.FOLDED, js_on_load=worldmap.SCRIPT, apply_default_css=False, elem_id="map")
                _gallery_tab(retriever)
            with gr.Tab("Evidence", id="evidence"):
                batch.tab(retriever)
                gr.HTML(evidence.tables(), apply_default_css=False)
                gr.Markdown(evidence.model_card())

        shown = [trouble, found, player]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        # One after the other, and of what is asked meanwhile the last: the page shows what was asked last.
        quiet |= {"concurrency_id": "search", "trigger_mode": "always_last"}
        asked = [query, *settings, typed]
        page.load(first, None, [tabs, *asked, *shown], **quiet)
        query.submit(answer, asked, shown, **quiet)
        player.select(replayed, asked, [*settings[1:], *shown], **quiet)
        found.select(selected, asked, [query, typed, *shown], **quiet)
        gr.on([setting.input for setting in settings[:-1]], answer, asked, shown, **quiet)
        settings[-1].input(turned, asked, [settings[2], *shown], **quiet)
        api(endpoint, api_name="search")
    page.queue(max_size=WAITING, api_open=False)  # no answer outside the queue
    return page


def _header(retriever: Retriever) -> str:
    model = retriever.model.config.name or "untitled model"
    count = f"{retriever.gallery.file_count:,} clips"
    device = retriever.device.type.upper()
    ranking = "" if retriever.generates else " · similarity only"
    return (
        '<header class="dr-header"><h1>DiffusionRet</h1><p>Find the video, watch the decision.</p>'
        f'<p class="dr-which">{escape(model)} · {count} · {device}{ranking}</p></header>'
    )


def _settings(retriever: Retriever, denoising: GeneratorConfig) -> list:
    most = max(len(retriever.gallery), 2)  # a slider needs two places; the library clamps to the gallery
    with gr.Accordion("Settings of the search", open=False, elem_id="settings"), gr.Row():
        k = gr.Slider(
            1, min(MOST_K, most), min(K, most), step=1, label="Results", info="How many clips are shown."
        )
        candidates = gr.Slider(
            1, min(watch.MOST_CANDIDATES, most), min(CANDIDATES, most), step=1, label="Candidates",
            info="How many of the most similar clips the generator weighs against each other.",
        )  # fmt: skip
        steps = gr.Slider(
            1, max(denoising.steps, 2), denoising.usual_steps, step=1, label="Steps",
            info="Steps of denoising from pure noise to the distribution.",
        )  # fmt: skip
        seed = gr.Number(
            0, label="Seed", precision=0, minimum=0, info="Which noise the denoising starts from."
        )
        forms = retriever.model.forms if retriever.generates else ()
        form = gr.Radio(
            list(forms), value=next(iter(forms), None), label="Generator", visible=len(forms) > 1,
            info="Which generator weighs the candidates.",
        )  # fmt: skip
    return [k, candidates, steps, seed, form]


def _gallery_tab(retriever: Retriever) -> None:
    clips = retriever.gallery
    words = gr.Textbox(
        show_label=False,
        label="Filter",
        placeholder="Filter by words of the caption",
        elem_id="filter",
        max_length=MOST_WORDS,
        container=False,
    )
    shown = gr.State(gallery.PAGE)
    grid = gr.HTML(gallery.page(clips), apply_default_css=False, elem_id="clips")
    button = gr.Button("Show more", visible=gallery.more(clips, "", gallery.PAGE), elem_id="more")
    gr.HTML(gallery.failures(clips), apply_default_css=False)
    gr.Markdown(gallery.own_videos(clips.model_name), elem_classes="dr-own")

    def show(text: str, count: int) -> tuple:
        text, count = str(text or "")[:MOST_WORDS], check_number("Clips", count, 1, 1_000_000)
        return gallery.page(clips, text, count), count, gr.update(visible=gallery.more(clips, text, count))

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    words.change(
        lambda text: show(text, gallery.PAGE),
        words,
        [grid, shown, button],
        trigger_mode="always_last",
        **quiet,
    )
    button.click(
        lambda text, count: show(text, count + gallery.PAGE), [words, shown], [grid, shown, button], **quiet
    )


def _number(text: str | None, otherwise: int, least: int, most: int) -> int:
    """A number of the page's address; anything else counts as absent."""
    return min(max(int(text), least), most) if text and text.isdecimal() and len(text) < 12 else otherwise


def serving(retriever: Retriever) -> dict:
    """The arguments of `launch` that belong to the page: its looks, and what it serves and takes. Gradio itself serves
    no file of this machine and takes none."""
    return {
        "max_file_size": 0,
        "theme": theme.theme(),
        "head": theme.head(),
        "app_kwargs": {
            "routes": media.routes(retriever.gallery),
            "middleware": [Middleware(limits.BodyLimit), Middleware(doors.Doors)],
        },
        "footer_links": ["api"],
        "ssr_mode": False,
    }


def port_number(text: str) -> int:
    """A port that can be asked for. Raises ArgumentTypeError for anything else."""
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: choose one from 1 to 65535.")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and serve until interrupted.

    Raises SystemExit, status 2, with a sentence on standard error for what cannot be opened or served.
    """
    parser = argparse.ArgumentParser(
        prog="python -m demo", description="Search videos by sentence, in the browser."
    )
    parser.add_argument(
        "--gallery", metavar="DIR", help="a folder made by `diffusionret index`; default: the bundled clips"
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="a folder, a Hub id or a published .bin; default: the one the gallery was indexed with",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--port", type=port_number, help="default: the first free one from 7860")
    parser.add_argument(
        "--share", action="store_true", help="also open a temporary public address at gradio.live"
    )
    parser.add_argument(
        "--read-only",
        action="store_true",
        help="write nothing on behalf of visitors; always so on Hugging Face Spaces",
    )
    options = parser.parse_args(arguments)
    read_only = options.read_only or "SPACE_ID" in os.environ
    try:
        retriever = Retriever.open(options.gallery, options.model, options.device)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{error}\n")
    if retriever.gallery.damage:
        print(retriever.gallery.damage, file=sys.stderr)
    page = build(retriever, read_only)
    try:
        page.launch(server_port=options.port, share=options.share, **serving(retriever))
    except OSError as error:
        if "empty port" not in str(error):
            raise
        taken = f"Port {options.port} is taken" if options.port else "No port is free"
        parser.exit(2, f"{taken}: choose another one with --port.\n")
