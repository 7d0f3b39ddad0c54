"""`python -m diffusionret COMMAND`. What goes wrong is one sentence on standard error and exit status 2; a run that
went to its end and could use nothing of what it was given exits with 1."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from . import calibrate, evaluate, index, inspection, inventory
from .checkpoint import load_published
from .datasets import count
from .retrieval import Hit, Retriever, SearchResult
from .training import command as training


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that lacks the arrows shows question marks
    parser = argparse.ArgumentParser(prog="python -m diffusionret", description="Find videos by a sentence.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (summary, add_arguments, run) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        add_arguments(command)
        command.set_defaults(run=run)
    args = parser.parse_args(argv)
    try:
        return args.run(args) or 0
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


# --- search ---------------------------------------------------------------------------------------------


def _search_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help="what should be seen")
    parser.add_argument("--gallery", help="a folder made by `index` (default: the bundled gallery)")
    parser.add_argument(
        "--model", help="bundled name, folder, Hub id, published .bin, or clip:ARCHITECTURE:WEIGHTS"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--k", type=int, default=10, help="results (default: 10)")
    parser.add_argument(
        "--candidates", type=int, default=32, help="videos the generator weighs (default: 32)"
    )
    parser.add_argument("--steps", type=int, help="steps of denoising (default: as the generator needs)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default: 0)")
    parser.add_argument("--seeds", type=int, help="average over so many seeds (default: the generator's own)")
    parser.add_argument("--json", action="store_true", help="JSON on standard output, and nothing else there")


def _search(args: argparse.Namespace) -> None:
    with redirect_stdout(sys.stderr):  # whatever a library has to say
        retriever = Retriever.open(args.gallery, args.model, args.device)
        if retriever.gallery.damage:
            print(retriever.gallery.damage, file=sys.stderr)
        result = retriever.search(args.text, args.k, args.candidates, args.steps, args.seed, args.seeds)
    if result.truncated:
        print(f'The model does not read the end of the query: "{result.truncated}".', file=sys.stderr)
    print(json.dumps(result.to_dict(), indent=2, allow_nan=False) if args.json else table(result))


def table(result: SearchResult) -> str:
    """The hits as lines of text: rank, move, similarity + boost = score, share, moment, id and caption."""
    wide = max(len(hit.id) for hit in result.hits)
    lines = [f"{'':4}{'move':>5}  {'similarity + boost = score':28}{'share':>6}{'moment':>9}  video"]
    lines += [
        f"{hit.rank:3} {_move(hit):>5}  {f'{hit.similarity:.4f} + {hit.boost:.4f} = {hit.score:.4f}':28}"
        f"{'' if hit.probability is None else f'{hit.probability:.0%}':>6}{hit.moment:7.1f} s  "
        f"{hit.id:{wide}}  {hit.caption}".rstrip()
        for hit in result.hits
    ]
    settings = result.settings
    how = "similarity only: the model has no generator"
    if result.trajectory is not None:
        how = f"{settings.candidates} candidates, {settings.steps} steps, seed {settings.seed}"
    return "\n".join([*lines, f"{how}; {result.timings['total']:.0f} ms"])


def _move(hit: Hit) -> str:
    """Places gained or lost by generation."""
    gained = hit.base_rank - hit.rank
    return f"↑{gained}" if gained > 0 else f"↓{-gained}" if gained < 0 else "·"


# --- convert --------------------------------------------------------------------------------------------


def _convert_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="weights in the published format (.bin)")
    parser.add_argument("out", type=Path, help="folder to write config.json and safetensors to")
    parser.add_argument(
        "--attention-temperature",
        type=float,
        default=1.0,
        help="of the attention over frames, which the published format does not record (default: 1)",
    )


def _convert(args: argparse.Namespace) -> None:
    load_published(args.checkpoint, args.attention_temperature).save_pretrained(args.out)
    print(f"Wrote {args.out}: pass it as --model.")


def _storybook_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gallery", type=Path, help="folder to write: videos/ and the gallery made of them")
    parser.add_argument("--model", default="storybook", help="as for `search` (default: storybook)")
    parser.add_argument("--clips", type=int, default=250, help="how many of the test split (default: 250)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")


def _storybook(args: argparse.Namespace) -> None:
    try:
        from .datasets.storybook import export, world
    except ImportError as error:
        raise ValueError("Drawing Storybook needs skia-python: run `pip install skia-python`.") from error
    videos = args.gallery / "videos"
    export.export(world.split("test")[: args.clips], videos, report=lambda line: print(line, file=sys.stderr))
    index.run(argparse.Namespace(videos=videos, timeout=30.0, prune=True, **vars(args)))


# name: (what it does, what declares its arguments, what runs it)
COMMANDS = {
    "search": ("rank the videos of a gallery by a sentence", _search_arguments, _search),
    "inspect": (
        "say whether a query is familiar, and whether a gallery holds a match",
        inspection.add_arguments,
        inspection.run,
    ),
    "calibrate": ("calibrate both answers for a gallery", calibrate.add_arguments, calibrate.run),
    "index": ("make or update a gallery from a folder of videos", index.add_arguments, index.run),
    "list": ("list the files of a gallery", inventory.add_list_arguments, inventory.run_list),
    "forget": (
        "take files out of a gallery, which leaves the files themselves alone",
        inventory.add_forget_arguments,
        inventory.run_forget,
    ),
    "evaluate": ("measure a model on the bundled world", evaluate.add_arguments, evaluate.run),
    "train": ("train one stage of a preset, or go on with it", training.add_arguments, training.run),
    "data": ("count the videos and captions of a benchmark", count.add_arguments, count.run),
    "storybook": ("draw the bundled gallery and index it", _storybook_arguments, _storybook),
    "convert": ("turn a published checkpoint into a model folder", _convert_arguments, _convert),
}
