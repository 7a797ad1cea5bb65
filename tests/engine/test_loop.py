"""The loop with a task of one number, whose losses are written in its batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gantool.cards import Card, Domain
from gantool.engine.events import EndedEarly, EpochDone, Event, Sampled, Saved, StepDone, Stopped
from gantool.engine.loop import Trainer, _fit_moments
from gantool.engine.loss_terms import DISCRIMINATOR, LossTerm
from gantool.engine.measurement import Measurement
from gantool.engine.runtime import Runtime
from gantool.engine.task import Batch, Player, Update
from gantool.errors import SettingsError, TrainingError
from gantool.methods.registry import load_settings
from gantool.models.runs import Run


class Falling:
    """A weight that falls by the learning rate times what the batch says, and losses that are in the batch."""

    def __init__(self) -> None:
        net = nn.Linear(1, 1, bias=False)
        net.weight.data.zero_()
        self.player = Player("only", {"net": net}, torch.optim.SGD(net.parameters(), lr=1.0))
        self.players = (self.player,)
        self.losses = {"cycle": LossTerm("cycle"), "critic": LossTerm(DISCRIMINATOR)}

    @property
    def weight(self) -> float:
        (parameter,) = self.player.parameters()
        return float(parameter.detach())

    def step(self, batch: Batch, update: Update) -> dict[str, Tensor]:
        (parameter,) = self.player.parameters()
        update(self.player, (parameter * batch["slope"]).sum())
        return {"cycle": batch["cycle"], "critic": batch["critic"]}

    def nets(self) -> dict[str, nn.Module]:
        return dict(self.player.nets)

    def preview(self, batch: Batch, nets: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        assert not nets["net"].training
        return {"shown": batch["slope"] + float(next(nets["net"].parameters()).detach())}

    def card(self) -> Card:
        return Card(task="cyclegan", domains=(Domain(name="a"), Domain(name="b")))

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


class Script:
    """Batches by epoch and step."""

    def __init__(self, epochs: Sequence[Sequence[Mapping[str, float]]]) -> None:
        self.epochs = epochs
        self.steps_per_epoch = len(epochs[0])

    def epoch(self, epoch: int, first_step: int) -> Iterable[Batch]:
        for values in self.epochs[epoch][first_step:]:
            full = {"slope": 1.0, "cycle": 1.0, "critic": 1.0, **values}
            yield {name: torch.tensor(value) for name, value in full.items()}


class Trained:
    """A trainer, what it delivered (file, epochs, weight), and its events."""

    def __init__(
        self,
        folder: Path,
        epochs: Sequence[Sequence[Mapping[str, float]]],
        *,
        measured: Sequence[float] = (),
        stop: Callable[[], bool] | None = None,
        resume: bool = False,
        runtime: Runtime | None = None,
        **settings: Any,
    ) -> None:
        base = {"train.epochs": len(epochs), "train.batch_size": 3, "schedule.name": "constant", "train.ema": 0.0,
                "metrics.every": 1 if measured else 0, "train.samples_every": 0, **settings}  # fmt: skip
        values = iter(measured)
        self.delivered: list[tuple[str, int, float]] = []
        self.task = Falling()
        (folder / "checkpoints").mkdir(exist_ok=True)
        self.trainer = Trainer(
            self.task,
            Script(epochs),
            load_settings("cyclegan-sample", base=base),
            runtime or Runtime("cpu", 1, "fp32"),
            Run(folder),
            measure=lambda nets: Measurement({"value": (value := next(values))}, value),
            preview={"slope": torch.tensor(0.5)},
            deliver=self._deliver,
            **({} if stop is None else {"stop": stop}),
        )
        if resume:
            assert self.trainer.resume()
        self.events: list[Event] = list(self.trainer.train())

    def _deliver(self, path: Path, nets: Mapping[str, nn.Module], epochs: int) -> None:
        self.delivered.append((path.name, epochs, float(next(nets["net"].parameters()).detach())))
        path.touch()

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def test_an_epoch_has_the_means_of_its_steps(tmp_path: Path) -> None:
    two = [{"cycle": 1.0, "critic": 10.0}, {"cycle": 3.0, "critic": 0.0}]
    made = Trained(tmp_path, [two, [{"cycle": 5.0}, {"cycle": 6.0}]])
    steps, epochs = made.of(StepDone), made.of(EpochDone)
    assert [dict(event.losses) for event in steps[:2]] == two
    assert [(event.epoch, event.step, event.step_in_epoch, event.steps_per_epoch) for event in steps] == [
        (1, 1, 1, 2), (1, 2, 2, 2), (2, 3, 1, 2), (2, 4, 2, 2)
    ]  # fmt: skip
    assert [event.losses["cycle"] for event in epochs] == [2.0, 5.5]
    assert epochs[0].losses["critic"] == 5.0
    for number, event in enumerate(epochs, 1):
        own = [step for step in steps if step.epoch == number]
        assert (event.epoch, event.step, event.lr, event.metrics, event.best) == (number, 2 * number, 1.0, {}, False)
        assert event.seconds == pytest.approx(sum(step.seconds for step in own))
        assert event.wait_share == pytest.approx(sum(step.waited for step in own) / event.seconds)
        assert event.images_per_second == pytest.approx(2 * 3 / event.seconds)


def test_a_loss_that_is_no_number_ends_it_at_once(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="step 2: the loss critic is not a finite number"):
        Trained(tmp_path, [[{}, {"critic": math.nan}, {}]])


@pytest.mark.parametrize(
    ("error", "at", "kind", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), 0, SettingsError,
         "train.batch_size: there is too little memory on cpu for a step of 3 images. Try a smaller --batch-size"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 1, TrainingError,
         "step 2: there is too little memory on cpu for a step of 3 images. The last checkpoint is kept. Try"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), 1, TrainingError, "step 2: there is too little"),
        (RuntimeError("expected 3 channels"), 1, RuntimeError, "expected 3 channels"),
    ],
)  # fmt: skip
def test_too_little_memory_is_told_with_its_remedy(
    error: RuntimeError, at: int, kind: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Falling.step

    def fails(self: Falling, batch: Batch, update: Update) -> dict[str, Tensor]:
        if self.weight == -at:
            raise error
        return step(self, batch, update)

    monkeypatch.setattr(Falling, "step", fails)
    with pytest.raises(kind) as caught:
        Trained(tmp_path, [[{}] * 3])
    assert str(caught.value).startswith(said)


class OnTwoGpus(Runtime):
    """One of two ranks on GPUs, as far as the loop asks; both know the same."""

    world_size, steps_between_reads = 2, 10  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__("cpu", 1, "fp32")
        self.asked: list[bool] = []

    def any_rank(self, flag: bool) -> bool:
        self.asked.append(flag)
        return flag

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        return dict(values)

    def gather(self, value: Any) -> list[Any]:
        return [value, value]

    def broadcast(self, value: Any) -> Any:
        return value

    def _average_gradients(self, parameters: list[nn.Parameter]) -> None:
        pass


def test_gpus_are_waited_for_every_tenth_step_only(tmp_path: Path) -> None:
    runtime, epoch = OnTwoGpus(), [{"cycle": float(n)} for n in range(1, 26)]
    made = Trained(tmp_path, [epoch], runtime=runtime, **{"train.batch_size": 2})
    read = {event.step: event.losses for event in made.of(StepDone) if event.losses is not None}
    assert {step: losses["cycle"] for step, losses in read.items()} == {10: 10.0, 20: 20.0, 25: 25.0}
    assert made.of(EpochDone)[0].losses == {"cycle": 13.0, "critic": 1.0}
    # At each reading whether a loss is finite and, within the epoch, whether to stop; both once more at its end.
    assert runtime.asked == [False] * (3 + 2 + 2)


def test_gpus_stop_together_at_the_next_reading(tmp_path: Path) -> None:
    made = Trained(tmp_path, [[{}] * 25], stop=lambda: True, runtime=OnTwoGpus(), **{"train.batch_size": 2})
    assert [(event.epoch, event.step) for event in made.of(Stopped)] == [(0, 10)]
    assert [event.step for event in made.of(Saved)] == [10]


@pytest.mark.parametrize("last", [False, True])
def test_moments_are_laid_out_as_the_weights_are(last: bool) -> None:
    """A fused step takes both in the order of their storage; a run may go on in another layout."""
    torch.manual_seed(0)
    layouts = [torch.contiguous_format, torch.channels_last]
    gradients = [torch.rand(4, 3, 5, 5) for _ in range(3)]

    def optimizer(layout: torch.memory_format) -> tuple[nn.Parameter, torch.optim.Optimizer]:
        weight = nn.Parameter(torch.zeros(4, 3, 5, 5).to(memory_format=layout))
        return weight, torch.optim.Adam([weight], lr=0.1, fused=True)

    def move(weight: nn.Parameter, steps: torch.optim.Optimizer, which: list[torch.Tensor]) -> None:
        for gradient in which:
            weight.grad = torch.empty_like(weight).copy_(gradient)
            steps.step()

    whole, steps = optimizer(layouts[last])
    move(whole, steps, gradients)
    first, steps = optimizer(layouts[not last])
    move(first, steps, gradients[:2])
    then, again = optimizer(layouts[last])
    then.data.copy_(first.data)
    again.load_state_dict(steps.state_dict())
    _fit_moments(again)
    move(then, again, gradients[2:])
    assert (then - whole).abs().max() <= 1e-6


def test_gradients_are_clipped_as_the_settings_say(tmp_path: Path) -> None:
    for clip, weight in ((None, -10.0), (2.0, -2.0)):
        made = Trained(tmp_path, [[{"slope": 10.0}]], **{"optimizer.clip_norm": clip})
        assert made.task.weight == pytest.approx(weight, rel=1e-4)


def test_without_a_metric_the_plateau_is_that_of_the_generators(tmp_path: Path) -> None:
    options = {"schedule.name": "plateau", "schedule.patience": 1, "schedule.factor": 0.5}
    falling = [[{"cycle": 8.0 / 2**n, "critic": 3.0**n}] for n in range(5)]
    assert [event.lr for event in Trained(tmp_path, falling, **options).of(EpochDone)] == [1.0] * 5
    # Not better in the second and the third epoch, and again in the fourth and the fifth.
    level = [[{"cycle": 1.0, "critic": 8.0 / 2**n}] for n in range(6)]
    assert [event.lr for event in Trained(tmp_path, level, **options).of(EpochDone)] == [1, 1, 1, 0.5, 0.5, 0.25]


def test_with_a_metric_the_plateau_is_its(tmp_path: Path) -> None:
    options = {"schedule.name": "plateau", "schedule.patience": 1, "schedule.factor": 0.5}
    level = [[{"cycle": 8.0 / 2**n}] for n in range(4)]
    made = Trained(tmp_path, level, measured=[1.0] * 4, **options)
    assert [event.lr for event in made.of(EpochDone)] == [1, 1, 1, 0.5]


def test_the_rate_follows_the_schedule(tmp_path: Path) -> None:
    made = Trained(tmp_path, [[{}, {}], [{}, {}]], **{"schedule.name": "linear"})
    assert made.task.weight == pytest.approx(-(1 + 0.75 + 0.5 + 0.25))
    assert [event.lr for event in made.of(EpochDone)] == [0.75, 0.25]


def test_what_is_saved_when(tmp_path: Path) -> None:
    made = Trained(tmp_path, [[{}]] * 5, **{"train.save_every": 2, "train.keep_every": 4, "train.samples_every": 3})
    assert [(event.path.name, event.step) for event in made.of(Saved)] == [
        ("last.pt", 2), ("last.pt", 4), ("epoch-4.pt", 4), ("last.pt", 5)
    ]  # fmt: skip
    assert [(event.epoch, float(event.pictures["shown"])) for event in made.of(Sampled)] == [(3, -2.5), (5, -4.5)]
    assert made.delivered == [("model.safetensors", n, -n) for n in (2, 4, 5)], "without a metric the newest"
    assert next(iter(made.task.nets().values())).training, "and training goes on as before"


def test_the_best_is_delivered_beside_the_newest(tmp_path: Path) -> None:
    made = Trained(tmp_path, [[{}]] * 5, measured=[3.0, 2.0, 2.5, 1.0, 4.0], **{"train.save_every": 2})
    assert [event.best for event in made.of(EpochDone)] == [True, True, False, True, False]
    assert [event.metrics["value"] for event in made.of(EpochDone)] == [3.0, 2.0, 2.5, 1.0, 4.0]
    assert [(name.split(".")[0], epoch) for name, epoch, _ in made.delivered] == [
        ("model", 1), ("model", 2), ("last", 2), ("model", 4), ("last", 4), ("last", 5)
    ]  # fmt: skip
    assert made.of(Stopped) == made.of(EndedEarly) == []


def test_the_last_epoch_is_measured_too(tmp_path: Path) -> None:
    made = Trained(tmp_path, [[{}]] * 5, measured=[3.0, 2.0, 1.0], **{"metrics.every": 2})
    assert [event.epoch for event in made.of(EpochDone) if event.metrics] == [2, 4, 5]


def test_patience(tmp_path: Path) -> None:
    made = Trained(tmp_path, [[{}]] * 9, measured=[3.0, 2.0, 2.0, 2.5, 1.0], **{"train.patience": 2})
    assert made.of(EndedEarly) == [EndedEarly(4, 2)]
    assert len(made.of(EpochDone)) == 4


def test_without_a_metric_nobody_runs_out_of_patience(tmp_path: Path) -> None:
    made = Trained(tmp_path, [[{}]] * 4, **{"train.patience": 1})
    assert made.of(EndedEarly) == []
    assert len(made.of(EpochDone)) == 4


def test_saving_within_an_epoch_does_not_replace_the_best(tmp_path: Path) -> None:
    made = Trained(tmp_path, [[{}] * 3] * 2, measured=[1.0, 2.0], **{"train.save_steps": 2})
    assert [(name.split(".")[0], -weight) for name, _, weight in made.delivered] == [
        ("model", 2), ("last", 2), ("model", 3), ("last", 3), ("last", 4), ("last", 6)
    ]  # fmt: skip


def test_stopping_within_an_epoch_and_going_on(tmp_path: Path) -> None:
    whole = [[{"cycle": float(2 * n + m)} for m in range(3)] for n in range(2)]
    answers = iter([False, False, False, True])  # asked after steps 1 and 2, at the end, and after step 4
    made = Trained(tmp_path, whole, stop=lambda: next(answers))
    assert [event.step for event in made.of(Saved)] == [3, 4]
    assert made.of(Stopped) == [Stopped(1, 4)]
    after = Trained(tmp_path, whole, resume=True)
    assert [event.step for event in after.of(StepDone)] == [5, 6]
    assert [event.losses["cycle"] for event in after.of(EpochDone)] == [3.0]
    assert after.task.weight == -6


def test_checkpoints_within_an_epoch(tmp_path: Path) -> None:
    made = Trained(tmp_path, [[{}] * 5], **{"train.save_steps": 2})
    assert [event.step for event in made.of(Saved)] == [2, 4, 5]


def test_an_average_is_looked_at_and_delivered_where_one_is_kept(tmp_path: Path) -> None:
    made = Trained(tmp_path, [[{}, {}]], **{"train.ema": 0.5, "train.ema_warmup": False, "train.samples_every": 1})
    averaged = 0.5 * (0.5 * 0 + 0.5 * -1) + 0.5 * -2
    assert made.delivered == [("model.safetensors", 1, averaged)]
    assert [float(event.pictures["shown"]) for event in made.of(Sampled)] == [0.5 + averaged]
    assert made.task.weight == -2
    saved = torch.load(tmp_path / "checkpoints/last.pt", weights_only=True)
    assert saved["ema"]["steps"] == 2
