"""The direction of imports, and that requirements.txt lists what is imported: no more, no less."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A module may import only modules before it. A package is one entry, `__init__` and `__main__` see all.
ORDER = [
    *("config", "query", "composition", "tables", "lock", "digest", "spans"),
    *(
        "diffusion",
        "metrics",
        "picture",
        "film",
        "animation",
        "photo",
        "scenes",
        "decoding",
        "growth",
        "children",
    ),
    *("video", "listing", "excerpt", "cutting", "datasets", "token_table", "encoders", "similarity"),
    *("readout", "trajectory"),
    *(
        "denoiser",
        "sampling",
        "losses",
        "generators",
        "tokenizer",
        "hub",
        "model",
        "pool",
        "encoding",
        "example",
        "description",
        "checkpoint",
    ),
    *("store", "edits", "gallery", "spelling", "lexicon", "phrases", "placement", "reading", "ood"),
    *(
        "matching",
        "combination",
        "generation",
        "evidence",
        "results",
        "ranking",
        "cutlist",
        "inspection",
        "retrieval",
        "export",
    ),
    *("projection", "benchmarks", "frames", "features", "fusion", "evaluate", "training"),
    *("intake", "index", "inventory", "odds", "background", "calibrate", "commands", "cli"),
]
# A package of the order is one entry; of these, the modules inside have an order of their own.
INSIDE = {
    "generators": ["match", "interface", "standing", "published", "openset", "registry"],
    "sampling": [
        *("limits", "precision", "factorisation", "prepared", "job", "torch_loop"),
        *("kernel", "cuda", "loops", "threads", "compilation", "cpu", "sampler"),
    ],
    "ood": ["scores", "conformal", "verdict", "report", "stability", "detector"],
    "training": [
        *("stage", "optimiser", "distributed", "records", "state", "loop", "openset_sets"),
        *("augmentation", "storybook_heads", "storybook_features", "storybook_stages"),
        *(
            "benchmark_pairs",
            "benchmark_stages",
            "english",
            "start",
            "storybook_text",
            "storybook",
            "run",
            "interruption",
        ),
    ],
    "commands": [
        *(
            "options",
            "progress",
            "search",
            "describe",
            "inspect",
            "calibrate",
            "index",
            "inventory",
            "cut",
            "export",
        ),
        *("evaluate", "train"),
        *("data", "storybook", "tokens", "convert"),
    ],
}
STORYBOOK = "diffusionret.datasets.storybook"
FRONT_ENDS = {"gradio", "plotly", "demo", "analysis"}


def modules(*folders: str) -> dict[str, str]:
    """{dotted name: source} of every Python file in the folders."""
    found = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts)
            found[name] = path.read_text(encoding="utf-8")
    return found


def imports(name: str, source: str) -> Iterator[str]:
    """Dotted names that a module imports anywhere, relative ones resolved; `from a import b` gives a.b."""
    package = name.split(".")[:-1]  # `a.b.__init__` is in package a.b, `a.b` in package a
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*base, alias.name]) for alias in node.names)


def violations(sources: dict[str, str]) -> list[str]:
    """One line for every import in `diffusionret` that points the wrong way."""
    wrong = []
    for name, source in sources.items():
        _, module, *rest = name.split(".")
        if module not in ORDER and module not in ("__init__", "__main__"):
            wrong.append(f"{name} has no place in the order")
        if rest and rest[0] not in [*INSIDE.get(module, rest), "__init__"]:
            wrong.append(f"{name} has no place in the order of its package")
        for target in imports(name, source):
            top, *inner = target.split(".")
            if top in FRONT_ENDS:
                wrong.append(f"{name} knows the front-end {top}")
            if top == "skia" and not name.startswith(STORYBOOK):
                wrong.append(f"{name} imports skia outside the Storybook world")
            if top != "diffusionret":
                continue
            if name.startswith(STORYBOOK) and not target.startswith(STORYBOOK):
                wrong.append(f"{name} leaves the Storybook world: {target}")
            used = inner[0] if inner and inner[0] in ORDER else "__init__"
            inside = module == used and rest
            order = INSIDE.get(module, []) if inside else []
            if (
                order
                and rest[0] in order
                and not (inner[1] in order and order.index(inner[1]) < order.index(rest[0]))
            ):
                wrong.append(f"{name} imports {target}, which does not come before it")
            if (
                module in ORDER
                and not inside
                and (used not in ORDER or ORDER.index(used) >= ORDER.index(module))
            ):
                wrong.append(f"{name} imports {target}, which does not come before it")
    return wrong


def test_imports_point_one_way() -> None:
    assert violations(modules("diffusionret")) == []


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("diffusionret.config", "from .model import DiffusionRet", "does not come before"),
        ("diffusionret.config", "def f():\n    from diffusionret import model", "does not come before"),
        ("diffusionret.model", "from . import checkpoint", "does not come before"),
        ("diffusionret.model", "import diffusionret.model", "does not come before"),
        ("diffusionret.model", "from . import DiffusionRet", "does not come before"),
        ("diffusionret.model", "from diffusionret import Retriever", "does not come before"),
        ("diffusionret.video", "from .datasets.msrvtt import read", "does not come before"),
        ("diffusionret.datasets.msrvtt", "from ..training.run import storybook_loop", "does not come before"),
        ("diffusionret.sampling.job", "from .sampler import sample", "does not come before"),
        ("diffusionret.sampling.job", "from . import sampler", "does not come before"),
        ("diffusionret.sampling.job", "from ..model import DiffusionRet", "does not come before"),
        ("diffusionret.sampling.novelty", "", "no place"),
        ("diffusionret.novelty", "", "no place"),
        ("diffusionret.cli", "import gradio as gr", "front-end"),
        ("diffusionret.cli", "from plotly.graph_objects import Figure", "front-end"),
        ("diffusionret.cli", "from demo.app import build", "front-end"),
        ("diffusionret.matching", "from .retrieval import Retriever", "does not come before"),
        ("diffusionret.ood.report", "from .detector import Detector", "does not come before"),
        ("diffusionret.training.run", "if TYPE_CHECKING:\n    import skia", "skia"),
        ("diffusionret.training.stage", "from .loop import Loop", "does not come before"),
        ("diffusionret.training.loop", "from . import run", "does not come before"),
        ("diffusionret.training.novelty", "from .loop import Loop", "no place"),
        ("diffusionret.datasets.storybook.world", "from ...config import Config", "leaves"),
        ("diffusionret.datasets.storybook.world", "from ..msrvtt import read", "leaves"),
    ],
)
def test_the_checker_sees_a_violation(name: str, source: str, expected: str) -> None:
    assert any(expected in line for line in violations({name: source}))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("diffusionret.checkpoint", "from .model import build_model\nfrom . import config"),
        (
            "diffusionret.datasets.storybook.render",
            "import skia\nfrom . import world\nfrom .world import Scene",
        ),
        (
            "diffusionret.sampling.cpu",
            "from ..denoiser import Denoiser\nfrom . import limits\nfrom .job import Job",
        ),
        ("diffusionret.datasets.msrvtt", "from . import captions\nfrom ..video import read_frames"),
        ("diffusionret.training.run", "from ..datasets.storybook import clips"),
        ("diffusionret.training.loop", "from . import state\nfrom .stage import Stage"),
        ("diffusionret.__init__", "from .model import DiffusionRet"),
        ("diffusionret.__main__", "from .cli import main"),
    ],
)
def test_the_checker_lets_the_right_way_pass(name: str, source: str) -> None:
    assert violations({name: source}) == []


def test_analysis_is_independent_of_the_app() -> None:
    for name, source in modules("analysis").items():
        assert not {"gradio", "demo"} & {target.split(".")[0] for target in imports(name, source)}, name


# Requirements

NAMES = {
    "av": "av",
    "open-clip-torch": "open_clip",
    "pillow": "PIL",
    "pylance": "lance",
    "scikit-learn": "sklearn",
    "skia-python": "skia",
    "umap-learn": "umap",
}
# Needed without being imported by name: huggingface_hub writes the weights with it.
INDIRECT = {"safetensors"}
# Imported where present only: the extras of drawing and training, Hugging Face's GPUs, PyTorch's own compiler on Linux,
# and what the word file is made with.
OPTIONAL = {"accelerate", "skia", "spaces", "triton", "matplotlib", "skimage", "wordfreq", "transformers"}


def listed(file: str) -> set[str]:
    """Import names of the packages that a requirements file itself lists."""
    found = set()
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"[A-Za-z0-9_.\-]+", line):
            name = match.group().lower().replace("_", "-")
            found.add(NAMES.get(name, name.replace("-", "_")))
    return found


def third_party(*folders: str) -> set[str]:
    """Top-level names imported in the folders that are neither ours nor Python's."""
    own = {"diffusionret", "demo", "analysis", "__future__"}
    found = {t.split(".")[0] for name, source in modules(*folders).items() for t in imports(name, source)}
    return found - own - set(sys.stdlib_module_names)


def test_requirements_are_complete() -> None:
    missing = third_party("diffusionret", "demo", "analysis") - listed("requirements.txt")
    assert missing - OPTIONAL == set()


def test_requirements_are_needed() -> None:
    unused = listed("requirements.txt") - third_party("diffusionret", "demo", "analysis") - INDIRECT
    assert unused == set()
