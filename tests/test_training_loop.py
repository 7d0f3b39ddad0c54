"""The training loop on a model of four numbers: whenever it is killed, a resumed run ends as an uninterrupted one."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from diffusionret import DiffusionRet
from diffusionret.config import Optimisation
from diffusionret.training import loop as loops
from diffusionret.training import records, state
from diffusionret.training.interruption import interruption
from diffusionret.training.loop import Duration, Loop
from diffusionret.training.optimiser import Average, make_optimiser
from diffusionret.training.records import LossRecord, ValidationRecord
from diffusionret.training.stage import Validation

RATE = Optimisation(lr=0.1, warmup=0.2, ema=0.9)
# The second is the best; what comes after lies between it and the first, so that who forgets it takes a worse one.
SCORES = {2: 5.0, 4: 9.0, 6: 7.0, 8: 6.0}


class ToyModel(DiffusionRet):
    """Two layers, and nothing of the model that it stands for."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        nn.Module.__init__(self)
        torch.manual_seed(0)
        self.linear = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2)

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        torch.save(self.state_dict(), folder / "weights.pt")


class ToyStage:
    """Validates by SCORES of the step. on_loss, on_validate: called first, where a test wants a kill."""

    def __init__(self, **settings: object) -> None:
        self.model, self.heads, self.settings = ToyModel(), nn.ModuleDict(), {"batch": 8} | settings
        self.done = 0
        self.on_loss = self.on_validate = lambda step: None

    def trained(self) -> list[nn.Module]:
        return [self.model]

    def frozen(self) -> list[nn.Module]:
        return []

    def loss(self, step: int) -> Tensor:
        self.on_loss(step)
        self.done = step + 1
        x = torch.randn(8, 2, generator=torch.Generator().manual_seed(step))
        return (self.model.norm(self.model.linear(x)) - x.flip(1)).square().mean()

    def validate(self, model: nn.Module, heads: nn.Module) -> Validation:
        self.on_validate(self.done)
        return Validation(SCORES[self.done], {"doubled": 2 * SCORES[self.done]})


def toy(folder: Path, stage: ToyStage | None = None, rate: Optimisation = RATE, steps: int = 8) -> Loop:
    return Loop(stage or ToyStage(), rate, Duration(steps, 2), folder)  # type: ignore[arg-type]


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def kept(folder: Path) -> dict[str, Tensor]:
    return torch.load(folder / "best" / "weights.pt")


class Killed(BaseException):
    pass


def kill(*_: object) -> None:
    raise Killed


@pytest.mark.parametrize("step", [2, 4, 6, 8])
@pytest.mark.parametrize(
    "moment", ["before validation", "while keeping", "before the state", "after", "in a step"]
)
def test_killed_at_any_moment_the_best_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, step: int
) -> None:
    whole = toy(tmp_path / "whole")
    validations = [r for r in whole.records() if isinstance(r, ValidationRecord)]
    assert [r.best for r in validations] == [5.0, 9.0, 9.0, 9.0]
    assert [r.waited for r in validations] == [0, 0, 1, 2]

    stage = ToyStage()
    victim = toy(tmp_path / "killed", stage)
    at = lambda done: done == step  # noqa: E731
    with monkeypatch.context() as patch, pytest.raises(Killed):
        if moment == "before validation":
            stage.on_validate = lambda done: at(done) and kill()
        elif moment == "while keeping":
            keep = loops.keep
            patch.setattr(loops, "keep", lambda m, f: (keep(m, f), at(stage.done) and kill()))
            if step > 4:  # nothing is kept any more
                stage.on_validate = lambda done: at(done) and kill()
        elif moment == "before the state":
            write = state.write
            patch.setattr(state, "write", lambda *a: kill() if at(stage.done) else write(*a))
        elif moment == "in a step":
            stage.on_loss = lambda done: done == step - 1 and kill()
        for record in victim.records():
            if moment == "after" and isinstance(record, ValidationRecord) and at(record.step):
                kill()

    again = toy(tmp_path / "killed")
    assert again.step == (step if moment == "after" else step - 2)
    rest = [r for r in again.records() if isinstance(r, ValidationRecord)]
    assert [r.best for r in rest] == [r.best for r in validations][again_from(rest) :]
    assert_same(kept(tmp_path / "killed"), kept(tmp_path / "whole"))
    assert_same(dict(again.weights.state_dict()), dict(whole.weights.state_dict()))
    assert_same(dict(again.average.module.state_dict()), dict(whole.average.module.state_dict()))
    assert replace(again.progress, seconds=0.0) == replace(whole.progress, seconds=0.0)
    assert toy(tmp_path / "killed").is_over


def again_from(rest: list[ValidationRecord]) -> int:
    """How many validations of the whole run came before these."""
    return len(SCORES) - len(rest)


def test_a_kill_while_writing_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = toy(tmp_path)
    next(iter(training.records()))
    save = torch.save

    def half(content: object, file: Path) -> None:
        save(content, file)
        file.write_bytes(file.read_bytes()[:100])
        kill()

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(Killed):
        training.save()
    assert toy(tmp_path).step == 2


def test_a_run_with_other_settings_is_refused(tmp_path: Path) -> None:
    list(toy(tmp_path).records())
    for stage, rate, steps, names in (
        (ToyStage(batch=16), RATE, 8, "batch"),
        (ToyStage(), replace(RATE, lr=0.2), 8, "lr"),
        (ToyStage(), RATE, 10, "steps"),
        (ToyStage(families=7), replace(RATE, ema=0.5), 8, "ema, families"),
    ):
        with pytest.raises(ValueError) as caught:
            toy(tmp_path, stage, rate, steps)
        sentence = f"{tmp_path} holds a run with another {names}: pass its settings, or another --runs."
        assert str(caught.value) == sentence


def test_ctrl_c_ends_after_the_step_and_the_second_at_once(tmp_path: Path) -> None:
    whole = toy(tmp_path / "whole")
    list(whole.records())
    stage = ToyStage()
    stage.on_loss = lambda step: step == 4 and os.kill(os.getpid(), signal.SIGINT)
    stopped = toy(tmp_path / "stopped", stage)
    before = signal.getsignal(signal.SIGINT)
    with interruption(stopped) as stop:
        list(stopped.records(stop))
        assert stop()
    assert stopped.step == 5 and signal.getsignal(signal.SIGINT) == before
    again = toy(tmp_path / "stopped")
    assert again.step == 5
    list(again.records())
    assert_same(dict(again.weights.state_dict()), dict(whole.weights.state_dict()))
    assert_same(kept(tmp_path / "stopped"), kept(tmp_path / "whole"))

    stage = ToyStage()
    stage.on_loss = lambda step: step >= 2 and [os.kill(os.getpid(), signal.SIGINT) for _ in range(2)]
    hasty = toy(tmp_path / "hasty", stage)
    with pytest.raises(KeyboardInterrupt), interruption(hasty) as stop:
        list(hasty.records(stop))
    assert toy(tmp_path / "hasty").step == 2


def test_patience_ends_a_training(tmp_path: Path) -> None:
    training = Loop(ToyStage(), RATE, Duration(8, 2, patience=1), tmp_path)  # type: ignore[arg-type]
    list(training.records())
    assert training.step == 6 and training.is_over


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    said = list(toy(tmp_path).records())
    assert [type(r) for r in said] == [ValidationRecord] * 3 + [LossRecord, ValidationRecord]
    for record in said:
        records.append(tmp_path, records.line(record))
    for ours, theirs in zip(records.read(tmp_path), said, strict=True):
        assert type(ours) is type(theirs)
        for name, value in records.values(theirs).items():
            assert records.values(ours)[name] == pytest.approx(value, abs=1e-6), name
    odd = replace(said[0], score=math.nan, best=-math.inf)
    assert '"score": null, "best": null' in records.line(odd)
    assert records.values(said[0])["doubled"] == 10.0


def test_the_average_is_that_of_pytorch(tmp_path: Path) -> None:
    model = ToyModel()
    ours = Average(model, RATE)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(RATE.ema), use_buffers=False)
    for step in range(5):
        with torch.no_grad():
            model.linear.weight += 1.0
        ours.update(model, step)
        theirs.update_parameters(model)
    assert torch.equal(ours.module.linear.weight, theirs.module.linear.weight)
    rising = Average(model, replace(RATE, ema_rises=True))
    assert [rising.decay(step) for step in (0, 1, 1000)] == [0.1, 2 / 11, 0.9]


def test_towers_learn_at_a_rate_of_their_own_and_vectors_do_not_decay() -> None:
    module = nn.ModuleDict({"towers": nn.Linear(2, 2), "generator": nn.Linear(2, 2)})
    groups = make_optimiser(nn.ModuleDict({"model": module}), replace(RATE, tower_lr=0.01)).param_groups
    assert [(g["peak"], g["weight_decay"], len(g["params"])) for g in groups] == [
        (0.01, 0.2, 1), (0.01, 0.0, 1), (0.1, 0.2, 1), (0.1, 0.0, 1),
    ]  # fmt: skip
    module["towers"].requires_grad_(False)
    assert len(make_optimiser(module, RATE).param_groups) == 2
