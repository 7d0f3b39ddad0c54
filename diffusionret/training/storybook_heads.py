"""What is trained beside the model on Storybook and dropped afterwards: linear readings of frames and captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from ..datasets.storybook import captions, lessons, world
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


class CaptionHeads(nn.Module):
    """Linear readings of a caption's end token: everything that it says."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.facts = nn.ModuleDict(
            {name: nn.Linear(dim, len(lessons.values(name))) for name in captions.ATTRIBUTES}
        )

    def loss(self, cls: Float[Tensor, "text dim"], facts: Sequence[Mapping[str, str]]) -> Float[Tensor, ""]:
        """The sum over attributes of the cross entropy (nats), each the mean over the texts that say it."""
        losses = []
        for name, head in self.facts.items():
            rows = [i for i, fact in enumerate(facts) if name in fact]
            if rows:
                true = [lessons.values(name).index(facts[i][name]) for i in rows]
                losses.append(cross_entropy(head(cls[rows]), torch.tensor(true, device=cls.device)))
        return torch.stack(losses).sum()
