"""ActivityNet Captions (Krishna et al., ICCV 2017) as paragraph retrieval: all sentences of a video are one query.

    train.json, val_1.json   {video: {"duration", "timestamps", "sentences": [...]}}, 10,009 and 4,917 videos

Test is val_1, as in the paper; the annotators' second pass, val_2, is not used.
"""

from __future__ import annotations

from pathlib import Path

from .captioned import Captioned, Clip, annotation, collect, malformed, pick, read_json

FILES = {"train": "train.json", "test": "val_1.json"}


def read(folder: str | Path, split: str) -> Captioned:
    """Splits train and test."""
    file = annotation(folder, pick(split, FILES, "activitynet"))
    content = read_json(file)
    try:
        pairs = [(Clip(video), " ".join(entry["sentences"])) for video, entry in content.items()]
    except (AttributeError, KeyError, TypeError):
        raise malformed(file, "a mapping from videos to entries with sentences") from None
    return collect("activitynet", split, pairs, content)
