"""The recipe of CycleGAN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from gantool.engine.runtime import Runtime
from gantool.errors import ModelError
from gantool.models.files import load_net, read_card
from gantool.models.runs import Run
from gantool.report.judged import ImageJudge
from gantool.settings import CycleGanSettings
from gantool.tasks.base import Batch, Task
from gantool.workflows import judge_translation as judge
from gantool.workflows.batches import EpochBatches, build_batches
from gantool.workflows.build_cyclegan import build_task, check_settings
from gantool.workflows.recipes import Measure
from gantool.workflows.unpaired_data import build_data, preview_batch, training_set

__all__ = ["CycleGanRecipe"]


class CycleGanRecipe:
    """Unpaired translation; see `gantool.workflows.recipes.Recipe`."""

    def __init__(self, settings: CycleGanSettings, kind: str) -> None:
        check_settings(settings)
        self.settings = settings
        self.data = build_data(settings)
        self.about = self.data.about
        self.held_out: Sequence[str] = [str(path) for path in self.data.held_out]
        self.facts: Mapping[str, Any] = {"domains": list(self.data.names)}
        self.estimate = self.data.truth is None
        light = "The light generators take a fraction of that: gantool train cyclegan-light."
        self.hint = light if kind == "cyclegan" else ""
        self.judged: ImageJudge | None = None

    def build_task(self, runtime: Runtime, *, fresh: bool) -> Task:
        return build_task(self.settings, self.data.names, runtime, self.data.classes)

    def batches(self, runtime: Runtime) -> EpochBatches:
        dataset = training_set(self.settings, self.data)
        return build_batches(dataset, len(dataset), self.settings, runtime)

    def preview(self) -> Batch:
        return preview_batch(self.settings, self.data)

    def evaluate(self, runtime: Runtime) -> Measure | None:
        evaluate = judge.make_evaluate(self.settings, self.data, runtime)

        def measure(nets: Mapping[str, nn.Module]) -> dict[str, float]:
            self.judged = judge.make_judge(self.data)
            return evaluate(nets, self.judged)

        return measure

    def score(self, metrics: Mapping[str, float]) -> float:
        return 1 - metrics["mean_iou"] if "mean_iou" in metrics else next(iter(metrics.values()))

    def for_use(self, nets: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        return dict(nets)

    def load_first_weights(self, path: Path, nets: Mapping[str, nn.Module]) -> None:
        """Fill the generators; the discriminators start anew.

        A checkpoint from elsewhere has one direction: the domain that its name tells, A or B in the order of the
        data, or else the second domain. The other generator starts anew, too.
        """
        card = read_card(path)
        wanted = {name: name.removeprefix("to_") for name in nets}
        if card.origin.data.startswith("checkpoint "):
            (direction,) = card.directions
            placeholder = {"A": self.data.names[0]}.get(direction.target, self.data.names[1])
            target = direction.target if direction.target in self.data.names else placeholder
            wanted = {f"to_{target}": direction.target}
        for name, target in wanted.items():
            weights = load_net(path, card, target).state_dict()
            try:
                nets[name].load_state_dict(weights)
            except RuntimeError:
                known = card.direction(target).architecture
                raise ModelError(
                    f"--init-from {path}: has {known.name} with {known.options}, the settings ask for another "
                    "network.",
                    "Set model.generator, model.width, model.norm and the other model keys to the same.",
                ) from None

    def final(self, run: Run, runtime: Runtime) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
        if self.data.truth is None and self.data.labelled is None:
            return {}, {}
        card = read_card(run.model)
        nets = {f"to_{name}": load_net(run.model, card, name).to(runtime.device) for name in self.data.names}
        self.judged = judge.make_judge(self.data)
        if self.data.labelled is not None:
            return judge.scores_on_labels(nets, self.data, self.data.labelled[1], runtime.device, self.judged), {}
        assert self.data.truth is not None
        ratios = judge.ratios_to_truth(nets, self.data.names, self.data.truth, runtime.device, self.judged)
        return ratios, judge.baseline_ratios(self.data)
