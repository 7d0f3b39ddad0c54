"""What is trained beside the model on Storybook and dropped afterwards: linear readings of frames and captions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from ..datasets.storybook import lessons, truth, world
from ..datasets.storybook.labels import NUMBERS, TRAITS, FrameLabels
from ..losses import choice_loss

MASKED = -1e4  # the logit of what is not there


class FrameHeads(nn.Module):
    """Linear readings of a frame's embedding: its traits; of every subject colour and stance; which of two acts."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.traits = nn.ModuleDict({name: nn.Linear(dim, len(lessons.GROUPS[name])) for name in TRAITS})
        self.colour = nn.Linear(dim, len(world.SUBJECTS) * len(world.COLOURS))
        self.stance = nn.Linear(dim, len(world.SUBJECTS) * len(NUMBERS))
        self.acts = nn.Linear(dim, len(world.SUBJECTS))

    def losses(self, embedding: Float[Tensor, "frame dim"], labels: FrameLabels) -> dict[str, Tensor]:
        """By trait the divergence from the true shares; colour and stance of the subjects that are there; which of
        the two that are there acts."""
        device, things = embedding.device, len(world.SUBJECTS)
        traits, *rest = labels
        present, colour, stance, acts = (torch.from_numpy(part).to(device) for part in rest)
        parts = {
            name: choice_loss(head(embedding), torch.from_numpy(traits[name]).to(device))
            for name, head in self.traits.items()
        }
        parts["colour of"] = cross_entropy(
            self.colour(embedding).unflatten(1, (things, -1))[present], colour[present]
        )
        parts["stance of"] = mse_loss(
            self.stance(embedding).unflatten(1, (things, -1))[present], stance[present]
        )
        parts["acts"] = choice_loss(self.acts(embedding).masked_fill(~present, MASKED), acts.float())
        return parts


class TextHeads(nn.Module):
    """Linear readings of a text's end token: which values of each attribute it allows, or that the world lacks what it
    asks for."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.facts = nn.ModuleDict(
            {name: nn.Linear(dim, len(lessons.values(name)) + 1) for name in truth.ATTRIBUTES}
        )

    def loss(self, cls: Float[Tensor, "text dim"], texts: Sequence[truth.Text]) -> Float[Tensor, ""]:
        """The sum over attributes of the divergence (nats) from what is allowed, all values alike; each the mean over
        the texts that say something of it."""
        losses = []
        for name, head in self.facts.items():
            values = lessons.values(name)
            rows, shares = [], []
            for i, text in enumerate(texts):
                allowed = dict(text.truth.says).get(name)
                if allowed is not None:
                    rows.append(i)
                    shares.append(
                        [(value in allowed) / max(1, len(allowed)) for value in values] + [not allowed]
                    )
            if rows:
                losses.append(choice_loss(head(cls[rows]), torch.tensor(shares, device=cls.device).float()))
        return torch.stack(losses).sum()
