"""What folded panels ask of the server: through its queue, so that few are computed at a time, a visitor who has left
is not computed for, and one who waits sees what there is so far.

The page asks `await ask(panel, request)` (static/questions.js); one component carries questions and answers.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from .doors import READERS

TEMPLATE = "<span></span>"
SCRIPT = "window.DiffusionRet.mountQuestions(props, watch, trigger);"
AT_ONCE = 2  # panels computed at a time, over all visitors
# A panel: what the page asks in, markup or plain values out, the last of them being the whole answer. Raises ValueError
# with a sentence for the visitor.
Panel = Callable[[Any], Iterator[Any]]


def wire(panels: Callable[[gr.Request | None], dict[str, Panel]]) -> gr.HTML:
    """The component that carries questions and answers, in the page that is being built.

    panels: those of the gallery that a request looks at. Raises ValueError with a sentence where there is none.
    """

    def answer_panel(event: gr.EventData, request: gr.Request | None = None) -> Iterator[str]:
        asked = event._data if isinstance(event._data, dict) else {}
        number = asked.get("number")
        if request is not None and not READERS.wait(str(request.session_hash)):
            return  # an answer that nobody reads would stay in memory

        def message(**content: Any) -> str:
            return json.dumps({"number": number, **content})

        try:
            panel = panels(request).get(str(asked.get("panel")))
            if panel is None:
                raise ValueError("There is no such panel.")
            contents = panel(asked.get("request"))
            content = next(contents)
            for following in contents:
                yield message(content=content, done=False)
                content = following
            yield message(content=content, done=True)
        except ValueError as error:
            yield message(problem=str(error), done=True)
        except (
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
            OverflowError,
        ):  # a question may say anything
            yield message(problem="The page asked for something unknown: load it again.", done=True)
        except Exception:  # the page waits for an answer, whatever happens here
            traceback.print_exc()
            yield message(problem="Something went wrong on the server: try again.", done=True)

    carrier = gr.HTML(
        html_template=TEMPLATE,
        js_on_load=SCRIPT,
        apply_default_css=False,
        elem_id="questions",
        container=False,
    )
    carrier.select(
        answer_panel, None, carrier, api_visibility="private", show_progress="hidden", trigger_mode="multiple",
        concurrency_id="questions", concurrency_limit=AT_ONCE,
    )  # fmt: skip
    return carrier
