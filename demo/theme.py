"""How the app looks: Gradio's theme, our style sheets and scripts. System fonts only: nothing is fetched."""

from __future__ import annotations

from pathlib import Path

from gradio.themes import Base

from analysis import palette

STATIC = Path(__file__).parent / "static"
STYLES = (
    *(
        "base.css",
        "example.css",
        "evidence.css",
        "cards.css",
        "timeline.css",
        "lightbox.css",
        "player.css",
        "spoken.css",
    ),
    *("panels.css", "tour.css", "verdict.css", "batch.css", "map.css", "gallery.css"),
)
# Each uses what those before it offer.
SCRIPTS = (
    *("element.js", "numbers.js", "arrays.js", "palette.js", "address.js"),
    *("questions.js", "describe.js", "file.js"),
    *(
        "preview.js",
        "save.js",
        "lightbox.js",
        "cards.js",
        "chips.js",
        "recent.js",
        "example.js",
        "results.js",
        "verdict.js",
        "map.js",
        "table.js",
    ),
    *(
        "readouts.js",
        "trajectory.js",
        "move.js",
        "icons.js",
        "controls.js",
        "tip.js",
        "leaders.js",
        "stage.js",
    ),
    *("formula.js", "tour.js", "bars.js", "chart.js", "panels.js"),
    # In the order in which they are offered.
    *("panels/drawn.js", "panels/whole.js", "panels/noise.js", "panels/compare.js", "panels/inside.js"),
    *("panels/forward.js", "panels/familiar.js", "panels/export.js"),
    *("transport.js", "spoken.js", "player.js"),
    *("gallery_server.js", "gallery_add.js", "gallery_job.js", "gallery_rows.js", "gallery.js"),
)


def theme() -> Base:
    """Gradio's plainest theme on the variables of our palette, which know light and dark."""
    plain = Base(
        font=palette.SANS, font_mono=palette.MONO, radius_size="md", spacing_size="md", text_size="md"
    )
    both = {
        "body_background_fill": "var(--dr-paper)",
        "body_text_color": "var(--dr-ink)",
        "body_text_color_subdued": "var(--dr-soft)",
        "background_fill_primary": "var(--dr-paper)",
        "background_fill_secondary": "var(--dr-wash)",
        "border_color_primary": "var(--dr-line)",
        "border_color_accent": "var(--dr-signal)",
        "color_accent": "var(--dr-signal)",
        "color_accent_soft": "var(--dr-wash)",
        "link_text_color": "var(--dr-signal)",
        "link_text_color_hover": "var(--dr-signal)",
        "link_text_color_visited": "var(--dr-signal)",
        "link_text_color_active": "var(--dr-signal)",
        "block_background_fill": "transparent",
        "block_border_color": "var(--dr-line)",
        "block_label_background_fill": "transparent",
        "block_label_text_color": "var(--dr-soft)",
        "block_title_text_color": "var(--dr-ink)",
        "block_info_text_color": "var(--dr-soft)",
        "input_background_fill": "var(--dr-paper)",
        "input_border_color": "var(--dr-line)",
        "input_border_color_focus": "var(--dr-signal)",
        "input_placeholder_color": "var(--dr-soft)",
        "slider_color": "var(--dr-signal)",
        "button_primary_background_fill": "var(--dr-ink)",
        "button_primary_background_fill_hover": "var(--dr-signal)",
        "button_primary_text_color": "var(--dr-paper)",
        "button_secondary_background_fill": "transparent",
        "button_secondary_background_fill_hover": "var(--dr-wash)",
        "button_secondary_border_color": "var(--dr-line)",
        "button_secondary_text_color": "var(--dr-ink)",
        "code_background_fill": "var(--dr-wash)",
        "table_border_color": "var(--dr-line)",
    }
    dark = {f"{name}_dark": value for name, value in both.items() if hasattr(plain, f"{name}_dark")}
    plain.set(
        block_border_width="0px",
        block_shadow="none",
        input_shadow="none",
        input_shadow_focus="none",
        **both,
        **dark,
    )
    return plain


def head() -> str:
    """Our style sheets and scripts, inline in the page's head: nothing is fetched.

    Not as `launch(css=...)`: Gradio rewrites that under its own root, where rules for a phone or for the
    larger view, which lies outside of it, no longer apply.
    """
    return f"<style>{styles()}</style>{scripts()}"


def styles() -> str:
    """The palette and all style sheets, for a page of ours."""
    return "\n".join([palette.variables(), *map(_read, STYLES)])


def scripts() -> str:
    """All scripts, in script elements, for a page of ours."""
    return "".join(f"<script>{_read(name)}</script>" for name in SCRIPTS)


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
