"""The verbs are functions, whatever was imported before."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import gantool
from gantool.errors import GantoolError
from gantool.files import safe_name


def test_verbs_stay_functions() -> None:
    for _ in range(2):
        for verb in ("prepare", "train", "translate"):
            function = getattr(gantool, verb)
            assert callable(function)
            assert function.__name__ == verb
            with pytest.raises((GantoolError, TypeError)):
                function()
        for module in pkgutil.walk_packages(gantool.__path__, "gantool."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    assert {"train", "translate", "__version__"} <= set(dir(gantool))
    with pytest.raises(AttributeError):
        gantool.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a:b.jpg", "a_b.jpg"), ("con.txt", "_con.txt"), ("x. ", "x"), ("", "_"), ("ü ñ.png", "ü ñ.png")],
)
def test_file_names_obey_windows(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_plan_from_a_name_and_settings() -> None:
    from gantool.workflows.plan_training import TrainOptions, plan_training

    plan = plan_training("cyclegan", overrides={"train.epochs": 5})
    assert plan == plan_training(TrainOptions("cyclegan", epochs=5))
    assert plan.settings.train.epochs == 5
