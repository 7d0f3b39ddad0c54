"""CLIP's tokenizer: sentences to token ids, and what of a sentence a model does not read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import open_clip
import torch
from jaxtyping import Int
from torch import Tensor


@lru_cache(maxsize=1)
def clip_tokenizer() -> open_clip.SimpleTokenizer:
    """The one tokenizer of all models, read once."""
    return open_clip.SimpleTokenizer()


def tokenize(texts: Sequence[str], words: int) -> tuple[Int[Tensor, "text token"], Int[Tensor, "text token"]]:
    """Token ids of sentences and the mask of real tokens; what is longer than `words` tokens, start and end token
    included, is cut."""
    ids = clip_tokenizer()(list(texts), context_length=words)
    return ids, (torch.arange(ids.shape[1]) <= ids.argmax(dim=1, keepdim=True)).long()


def unread(text: str, words: int) -> str:
    """The end of `text` that does not fit into `words` tokens, start and end token included; "" where all fits."""
    spoken = text.split()
    room = words - 2
    encode = clip_tokenizer().encode
    if len(encode(text)) <= room:
        return ""
    kept = min(len(spoken), room)  # a word takes a token at least
    while kept and len(encode(" ".join(spoken[:kept]))) > room:
        kept -= 1
    return " ".join(spoken[kept:])


def token_ids(text: str) -> list[int]:
    """The ids of a text, without start and end token."""
    return clip_tokenizer().encode(text)


def token_strings() -> tuple[list[str], list[bool]]:
    """What every token stands for, in the order of ids, and whether it ends a word. The last two are start and end."""
    tokenizer = clip_tokenizer()
    codes = [tokenizer.decoder[i] for i in range(len(tokenizer.decoder))]
    letters = tokenizer.byte_decoder
    strings = [
        bytes(letters[c] for c in code.removesuffix("</w>")).decode("utf-8", errors="replace")
        for code in codes[:-2]
    ]
    return strings + codes[-2:], [code.endswith("</w>") for code in codes]
