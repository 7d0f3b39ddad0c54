"""The app: one query box above four tabs. `python -m demo`, or this file executed, as a Space does."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from shlex import quote
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
from diffusionret.config import CLIP
from diffusionret.query import check_number

from . import (
    batch,
    doors,
    evidence,
    example,
    gallery,
    gallery_routes,
    limits,
    login,
    media,
    options,
    questions,
    search,
    settings,
    theme,
    verdict,
    watch,
    watch_look,
)
from . import map as worldmap
from .clips import name_of
from .gallery_choice import Choice, first_spans
from .permission import Permission, loopback
from .settings import CANDIDATES, MOST_K, K
from .shelf import Place, Shelf, gallery_of, own_galleries

SELECT = "window.DiffusionRet.mountResults(element, watch, trigger);"
CHOOSE = "window.DiffusionRet.mountChips(element);"
PLAYER = "window.DiffusionRet.mountPlayer(element, props, watch, trigger);"
TABS = ("search", "watch", "gallery", "evidence")
MOST_HITS = 1000  # of the endpoint, which draws none
WAITING = 200  # questions that may wait for their turn, over all visitors


def build(source: Retriever | Shelf, read_only: bool = False) -> gr.Blocks:
    """The whole page over one retriever, or over a shelf of galleries, of which its address names one. Nothing is
    searched before the page is opened.

    read_only: for visitors, who may ask and look, but leave nothing behind: a map that one of them opens first is not
    kept beside the gallery.
    """
    shelf = source if isinstance(source, Shelf) else Shelf.of(source)
    shelf.make_panels = lambda retriever: {
        "description": example.description(retriever),
        "inspection": verdict.inspection(retriever),
        "look": watch_look.panel(retriever),
        "map": worldmap.panel(retriever, read_only),
    }

    def place_of(request: gr.Request | None) -> Place:
        return shelf.place(None if request is None else request.query_params.get("gallery"))

    def retriever_of(request: gr.Request | None) -> Retriever:
        return shelf.open(place_of(request))

    opened = retriever_of(None)

    def chosen_part(retriever: Retriever, request: gr.Request | None) -> tuple[list[str] | None, str, int]:
        """What a search is held to by the page's address: the ids, None for all; the head of the results; the number of
        files. Raises ValueError where nothing is left."""
        choice = Choice.of({} if request is None else request.query_params)
        size = retriever.gallery.file_count
        if choice.is_all:
            return None, "", size
        positions = choice.positions(retriever.gallery)
        if not positions:
            raise ValueError(
                "No clip passes the filter that the search is within: widen it in the Gallery tab."
            )
        count = len(first_spans(retriever.gallery, positions))
        ids = [retriever.gallery.ids[i] for i in positions]
        return ids, search.within(choice.sentence(count, size)), count

    def answer(
        text: str,
        k: int,
        candidates: int,
        steps: int,
        seed: int,
        form: str | None = None,
        typed: str = "",
        request: gr.Request | None = None,
    ) -> tuple:
        """The problem, the Search tab and the player, for one query. A problem leaves what is shown alone.

        typed: the query that is searched for exactly as it stands, "" where there is none.
        """
        exact = bool(text) and text == typed
        try:
            retriever = retriever_of(request)
            forms = settings.forms_of(retriever)
            # Every candidate is asked for, because the player draws them all; the cards show the first k files.
            k, candidates = (
                check_number("Results", k, 1, MOST_K),
                check_number("Candidates", candidates, 1, watch.MOST_CANDIDATES),
            )
            form = form if form in forms else next(iter(forms), None)
            within, head, size = chosen_part(retriever, request)
            result = retriever.search(
                text, k, candidates, steps, seed, form=form, exact=exact, within=within, per_file=True
            )
        except (ValueError, OSError) as error:
            return search.problem(str(error)), gr.skip(), gr.skip()
        shown = search.page(result, k, size, exact)
        return search.cut(result.truncated), head + shown, watch.request(result)

    def first(request: gr.Request) -> tuple:
        """What the page opens with: the query of its address, else the first example."""
        asked = request.query_params
        try:
            retriever = retriever_of(request)
        except (ValueError, OSError) as error:  # a gallery that cannot be opened beside others that can
            shown = search.problem(str(error)), gr.skip(), gr.skip()
            return *(len(inputs) + 3) * [gr.skip()], *shown, gr.skip(), gr.skip()
        clips, forms = retriever.gallery, settings.forms_of(retriever)
        queries = search.examples(retriever.model.config.dataset)
        text = asked.get("q") or queries[0].query
        k = min(_number(asked.get("k"), K, 1, MOST_K), max(len(clips), 1))
        candidates = _number(
            asked.get("candidates"), min(CANDIDATES, len(clips)) or 1, 1, watch.MOST_CANDIDATES
        )
        seed = _number(asked.get("seed"), 0, 0, watch.MOST_SEED)
        form = asked.get("generator") if asked.get("generator") in forms else next(iter(forms), None)
        config = settings.denoising(retriever, form)
        steps = _number(asked.get("steps"), config.usual_steps, 1, config.steps)
        chosen = (k, min(candidates, max(len(clips), 1)), steps, seed, form)
        typed = text if asked.get("exact") else ""
        head = (
            _header(retriever, place_of(request).name if len(shelf.places) > 1 else ""),
            search.chips(queries, search.shows(clips)),
        )
        tab = asked.get("tab") if asked.get("tab") in TABS else TABS[0]
        if not len(clips):  # the way to a first search begins where videos are added
            tab = tab if asked.get("tab") else "gallery"
            text, shown = asked.get("q") or "", ("", search.NOTHING, gr.skip())
        else:
            shown = answer(text, *chosen, typed, request)
        bounds = settings.limits(retriever)
        values = [gr.update(value=value, **bound) for value, bound in zip(chosen, bounds, strict=True)]
        return gr.Tabs(selected=tab), text, *values, typed, *shown, *head

    def replayed(
        event: gr.EventData,
        text: str,
        k: int,
        candidates: int,
        steps: int,
        seed: int,
        form: str | None = None,
        typed: str = "",
        request: gr.Request | None = None,
    ) -> tuple:
        """The player asked for another noise, other steps or candidates, or the other generator."""
        wanted = dict(event._data) if isinstance(event._data, dict) else {}
        retriever = retriever_of(request)
        if wanted.get("form") not in settings.forms_of(retriever):  # an event may say anything
            wanted.pop("form", None)
        if wanted.get("form", form) != form:  # each takes the steps that it needs, unless told otherwise
            form = wanted["form"]
            steps = settings.denoising(retriever, form).usual_steps
        try:
            chosen = (
                check_number("Candidates", wanted.get("candidates", candidates), 1, watch.MOST_CANDIDATES),
                check_number(
                    "Steps", wanted.get("steps", steps), 1, settings.denoising(retriever, form).steps
                ),
                check_number("Seed", wanted.get("seed", seed), 0, watch.MOST_SEED),
                form,
            )
        except ValueError as error:
            return *4 * [gr.skip()], search.problem(str(error)), gr.skip(), gr.skip()
        return *chosen, *answer(text, k, *chosen, typed, request)

    def turned(
        text: str,
        k: int,
        candidates: int,
        steps: int,
        seed: int,
        form: str | None = None,
        typed: str = "",
        request: gr.Request | None = None,
    ) -> tuple:
        """The other generator, with as many steps as it needs."""
        steps = settings.denoising(retriever_of(request), form).usual_steps
        return steps, *answer(text, k, candidates, steps, seed, form, typed, request)

    def selected(
        event: gr.EventData,
        text: str,
        k: int,
        candidates: int,
        steps: int,
        seed: int,
        form: str | None = None,
        typed: str = "",
        request: gr.Request | None = None,
    ) -> tuple:
        """Clips like one clip, the way back, or another query: one that was offered, or exactly what was typed."""
        wanted = event._data if isinstance(event._data, dict) else {}
        id, other = wanted.get("similar"), wanted.get("query")
        if isinstance(other, str):
            typed = other if wanted.get("exact") is True else ""
            return other, typed, *answer(other, k, candidates, steps, seed, form, typed, request)
        if not isinstance(id, str) or not id:
            return gr.skip(), gr.skip(), *answer(text, k, candidates, steps, seed, form, typed, request)
        try:
            retriever = retriever_of(request)
            clips = retriever.gallery
            hits = retriever.similar(id, k)
            called = name_of(id, clips.captions[clips.position(id)])
        except ValueError as error:
            return gr.skip(), gr.skip(), search.problem(str(error)), gr.skip(), gr.skip()
        return gr.skip(), gr.skip(), "", search.similar_page(called, hits), gr.skip()

    def by_example(event: gr.EventData, k: int, request: gr.Request | None = None) -> tuple:
        """The tabs, and clips like a picture or clip that was sent before (example.py)."""
        wanted = event._data if isinstance(event._data, dict) else {}
        try:
            retriever = retriever_of(request)
            asked = example.HELD.take(wanted.get("example"), place_of(request).key)
            k = check_number("Results", k, 1, MOST_K)
            within, head, _ = chosen_part(retriever, request)
            hits = retriever.search_video(asked.features, k, within, per_file=True)
        except (ValueError, OSError) as error:
            return gr.skip(), search.problem(str(error)), gr.skip(), gr.skip()
        return (
            gr.Tabs(selected="search"),
            "",
            head + search.example_page(asked, example.HELD.hold(asked), hits, k),
            gr.skip(),
        )

    usual = settings.denoising(opened).usual_steps

    def endpoint(
        query: str,
        k: int = K,
        candidates: int = CANDIDATES,
        steps: int = usual,
        seed: int = 0,
    ) -> dict:
        """The best videos for a sentence: {"query": {...}, "hits": [...], "ood": ..., "timings": ...}.

        query: what should be seen. k: how many videos. candidates: how many of them the generator weighs.
        steps: of denoising. seed: of the noise. Of several galleries it searches the first.
        """
        try:
            k, candidates = (
                check_number("k", k, 1, MOST_HITS),
                check_number("candidates", candidates, 1, MOST_HITS),
            )
            retriever = shelf.open(next(iter(shelf.places.values())))
            return retriever.search(query, k, candidates, steps, seed).to_dict()
        except (ValueError, OSError) as error:
            raise gr.Error(str(error), print_exception=False) from error

    with gr.Blocks(title="DiffusionRet", fill_width=True) as page:
        header = gr.HTML(_header(opened), apply_default_css=False, elem_id="header")
        query = gr.Textbox(
            show_label=False, label="Query", placeholder="Describe what you are looking for, less: what you are not",
            lines=1, max_lines=4,
            submit_btn="Search", container=False, elem_id="query",
            html_attributes=gr.InputHTMLAttributes(autocorrect="off", spellcheck=False),
        )  # fmt: skip
        typed = gr.State("")  # the query that is searched for exactly as it stands
        file = gr.HTML(example.CONTROL, js_on_load=example.SCRIPT, apply_default_css=False, elem_id="example")
        trouble = gr.HTML(apply_default_css=False, elem_id="trouble")
        questions.wire(lambda request: shelf.panels(place_of(request)))
        queries = search.examples(opened.model.config.dataset)
        chips = gr.HTML(
            search.chips(queries, search.shows(opened.gallery)), js_on_load=CHOOSE, apply_default_css=False
        )
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Search", id="search"):
                found = gr.HTML(
                    js_on_load=SELECT + verdict.SCRIPT, apply_default_css=False, elem_id="found"
                )  # fmt: skip
                inputs = settings.inputs(opened)
            with gr.Tab("Watch", id="watch"):
                player = gr.HTML(
                    html_template=watch.TEMPLATE, js_on_load=PLAYER, apply_default_css=False, elem_id="player"
                )  # fmt: skip
            with gr.Tab("Gallery", id="gallery"):
                gr.HTML(worldmap.FOLDED, js_on_load=worldmap.SCRIPT, apply_default_css=False, elem_id="map")
                gr.HTML(
                    gallery.frame(read_only),
                    js_on_load=gallery.SCRIPT,
                    apply_default_css=False,
                    elem_id="gallery-tab",
                )
                gr.Markdown(gallery.OWN_VIDEOS, elem_classes="dr-own")
            with gr.Tab("Evidence", id="evidence"):
                batch.tab(retriever_of)
                gr.HTML(evidence.tables(), apply_default_css=False)
                gr.Markdown(evidence.model_card())

        shown = [trouble, found, player]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        # One after the other, and of what is asked meanwhile the last: the page shows what was asked last.
        quiet |= {"concurrency_id": "search", "trigger_mode": "always_last"}
        asked = [query, *inputs, typed]
        page.load(first, None, [tabs, *asked, *shown, header, chips], **quiet)
        query.submit(answer, asked, shown, **quiet)
        player.select(replayed, asked, [*inputs[1:], *shown], **quiet)
        found.select(selected, asked, [query, typed, *shown], **quiet)
        file.select(by_example, [inputs[0]], [tabs, *shown], **quiet)
        gr.on([setting.input for setting in inputs[:-1]], answer, asked, shown, **quiet)
        inputs[-1].input(turned, asked, [inputs[2], *shown], **quiet)
        api(endpoint, api_name="search")
    page.queue(max_size=WAITING, api_open=False)  # no answer outside the queue
    return page


def _header(retriever: Retriever, name: str = "") -> str:
    """name: of the gallery, where there are several."""
    said = gallery.headline(retriever, name)
    return (
        '<header class="dr-header"><h1>DiffusionRet</h1><p>Find the video, watch the decision.</p>'
        f'<p class="dr-which">{escape(said)}</p></header>'
    )


def _number(text: str | None, otherwise: int, least: int, most: int) -> int:
    """A number of the page's address; anything else counts as absent."""
    return min(max(int(text), least), most) if text and text.isdecimal() and len(text) < 12 else otherwise


def serving(source: Retriever | gallery_routes.Tab) -> dict:
    """The arguments of `launch` that belong to the page: its looks, and what it serves and takes. Gradio itself serves
    no file of this machine and takes none.

    source: the galleries, and who may edit them; of a retriever nobody.
    """
    tab = source
    if not isinstance(tab, gallery_routes.Tab):
        tab = gallery_routes.Tab(Shelf.of(source), Permission(visitors=True))
    shelf, permission = tab.shelf, tab.permission
    middleware = [
        Middleware(limits.BodyLimit, gallery_routes.UPLOAD, example.ADDRESS),
        Middleware(doors.Doors, permission.login),
    ]
    if permission.login:
        middleware.insert(0, Middleware(login.Login))
    return {
        "max_file_size": 0,
        "theme": theme.theme(),
        "head": theme.head(),
        "app_kwargs": {
            "routes": [*media.routes(shelf), *gallery_routes.routes(tab), *example.routes(shelf)],
            "middleware": middleware,
        },
        "footer_links": ["api"],
        "ssr_mode": False,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and serve until interrupted.

    Raises SystemExit, status 2, with a sentence on standard error for what cannot be opened or served.
    """
    parser = options.parser()
    chosen = parser.parse_args(arguments)
    read_only = chosen.read_only or "SPACE_ID" in os.environ
    host = chosen.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    permission = Permission(host, chosen.auth, read_only or (chosen.share and not chosen.auth))
    shelf = Shelf(chosen.model, chosen.device)
    try:
        auth = login.credentials() if chosen.auth else None
        videos = options.videos_folder(chosen.videos)
        if videos and not chosen.gallery:
            shelf.add(gallery_of(videos), videos.name)
        for folder in chosen.gallery:
            if not Path(folder).is_dir():
                raise FileNotFoundError(
                    f"There is no gallery in {folder}: make one with `python -m demo --videos FOLDER`, or "
                    f"with `python -m diffusionret index VIDEOS --gallery {quote(folder)} --model {CLIP}`."
                )
            shelf.add(folder)
        if not shelf.places:
            shelf.add(None)
            if not permission.visitors and (permission.login or loopback(host)):
                for folder, name in own_galleries():
                    shelf.add(folder, name)
        retriever = shelf.open(shelf.place(None))
    except (ValueError, OSError) as error:
        parser.exit(2, f"{error}\n")
    if retriever.gallery.damage:
        print(retriever.gallery.damage, file=sys.stderr)
    page = build(shelf, permission.visitors)
    tab = gallery_routes.Tab(shelf, permission)
    tab.begin(videos)
    try:
        page.launch(server_name=host, server_port=chosen.port, share=chosen.share, auth=auth, **serving(tab))
    except OSError as error:
        if "empty port" not in str(error):
            raise
        taken = f"Port {chosen.port} is taken" if chosen.port else "No port is free"
        parser.exit(2, f"{taken}: choose another one with --port.\n")
    finally:
        tab.close()
