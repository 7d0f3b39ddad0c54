"""The settings of a search: what they may be, over a gallery and a model, and their place on the page."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from diffusionret import Retriever
from diffusionret.config import GeneratorConfig

from . import watch

CANDIDATES, K, MOST_K = 32, 10, 50


def forms_of(retriever: Retriever) -> Sequence[str]:
    """The names of a retriever's generators."""
    return tuple(retriever.model.forms) if retriever.generates else ()


def denoising(retriever: Retriever, form: str | None = None) -> GeneratorConfig:
    """What a generator takes, the usual one for None or a name that there is not."""
    forms = forms_of(retriever)
    return retriever.model.choose(form if form in forms else None).config if forms else GeneratorConfig()


def limits(retriever: Retriever) -> list[dict]:
    """What the settings may be, in their order, over one gallery and model."""
    most = max(len(retriever.gallery), 2)  # a slider needs two places; the library clamps to the gallery
    forms = list(forms_of(retriever))
    steps = max((denoising(retriever, form).steps for form in forms), default=2)
    return [
        {"maximum": min(MOST_K, most)},
        {"maximum": min(watch.MOST_CANDIDATES, most)},
        {"maximum": max(steps, 2)},
        {},
        {"choices": forms, "visible": len(forms) > 1},
    ]


def inputs(retriever: Retriever) -> list:
    """The settings on the page that is being built, in the order in which a search takes them."""
    usual = denoising(retriever).usual_steps
    most_k, most_candidates, most_steps, _, forms = limits(retriever)
    with gr.Accordion("Search settings", open=False, elem_id="settings"), gr.Row():
        k = gr.Slider(
            1,
            value=min(K, most_k["maximum"]),
            step=1,
            label="Results",
            info="How many clips are shown.",
            **most_k,
        )
        candidates = gr.Slider(
            1, value=min(CANDIDATES, most_candidates["maximum"]), step=1, label="Candidates",
            info="How many of the most similar clips the generator weighs against each other.", **most_candidates,
        )  # fmt: skip
        steps = gr.Slider(
            1, value=usual, step=1, label="Steps",
            info="Steps of denoising from pure noise to the distribution.", **most_steps,
        )  # fmt: skip
        seed = gr.Number(
            0, label="Seed", precision=0, minimum=0, info="Which noise the denoising starts from."
        )
        form = gr.Radio(
            value=next(iter(forms["choices"]), None), label="Generator",
            info="Which generator weighs the candidates.", **forms,
        )  # fmt: skip
    return [k, candidates, steps, seed, form]
