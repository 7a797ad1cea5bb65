from __future__ import annotations

from pathlib import Path

import pytest

from gantool.errors import SettingsError
from gantool.methods.registry import PRESETS, load_settings, read_settings
from gantool.settings import Settings, to_yaml
from gantool.settings.sources import merge


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_complete(preset: str) -> None:
    assert isinstance(load_settings(preset), Settings)


def test_the_paper_preset_holds_the_reference_values() -> None:
    s = load_settings("cyclegan")
    assert (s.model.generator, s.model.discriminator, s.model.width, s.model.norm) == (
        "resnet_9blocks", "basic", 64, "instance"
    )  # fmt: skip
    assert (s.loss.adversarial, s.loss.cycle_a, s.loss.cycle_b, s.loss.identity) == ("lsgan", 10, 10, 0.5)
    assert (s.optimizer.lr, s.optimizer.betas, s.train.batch_size, s.train.pool_size) == (2e-4, (0.5, 0.999), 1, 50)
    assert (s.train.epochs, s.data.size, s.schedule.name) == (200, 256, "constant_linear")


def test_later_sources_win(tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text("train:\n  epochs: 3\n  seed: 7\noptimizer:\n  lr: 1e-3\n")
    s = load_settings(
        "cyclegan", config=config, assignments=["train.seed=8", "loss.identity=0"], overrides={"train.epochs": 5}
    )
    assert (s.train.epochs, s.train.seed, s.optimizer.lr, s.loss.identity) == (5, 8, 1e-3, 0)
    assert s.train.batch_size == 1, "setting one key must not reset its neighbors"


def test_a_config_can_start_from_another_preset(tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text("extends: cyclegan-light\ntrain: {epochs: 3}\n")
    s = load_settings("cyclegan", config=config)
    assert (s.model.generator, s.train.epochs) == ("resnet_light", 3)


@pytest.mark.parametrize("preset", PRESETS)
def test_yaml_round_trip(preset: str, tmp_path: Path) -> None:
    has_domains = hasattr(load_settings(preset).data, "domains")
    odd = {"a b": "x: y", "c": "d"} if has_domains else None
    overrides = {"data.domains": odd} if odd else {"loss.class_weights": {"a b": 1, "c: d": 2.5}}
    settings = load_settings(preset, overrides=overrides)
    path = tmp_path / "settings.yaml"
    path.write_text(to_yaml(settings), "utf-8")
    assert read_settings(path) == settings


@pytest.mark.parametrize("preset", ["cyclegan", "segmentation"])
def test_written_yaml_explains_every_key(preset: str) -> None:
    settings = load_settings(preset)
    text = to_yaml(settings)
    for section in type(settings).sections().values():
        for key, field in section.model_fields.items():
            assert field.description, key
            assert f"  {key}: " in text


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("optimizer.lrr=1", ["optimizer.lrr", 'Did you mean "lr"']),
        ("optimiser.lr=1", ["optimiser", 'Did you mean "optimizer"']),
        ("train.lr=1", ['Did you mean "optimizer.lr"']),
        ("optimizer.lr=-1", ["optimizer.lr", "must be more than 0", "-1"]),
        ("train.epochs=many", ["train.epochs", "a whole number", "many"]),
        ("loss.adversarial=off", ["loss.adversarial", "lsgan", "off"]),
        ("data.channels=[2,3]", ["data.channels, value 1:", "1 or 3"]),
        ("epochs=3", ["section.key=value"]),
        ("train.epochs", ["section.key=value"]),
        ("train.epochs=[1", ["not valid YAML"]),
        ("data.channels=[1,3]", ["loss.identity", "must be 0"]),
    ],
)
def test_mistakes_are_named(assignment: str, words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings("cyclegan", assignments=[assignment])
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: [1, 2", ["not valid YAML", "line"]),
        ("- 1\n- 2\n", ["expected sections"]),
        ("train: 3\n", ["train"]),
        ("extends: cyclgan\n", ['Did you mean "cyclegan"']),
    ],
)
def test_bad_files_are_named(text: str, words: list[str], tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings("cyclegan", config=config)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nope\.yaml: there is no such"):
        load_settings("cyclegan", config=tmp_path / "nope.yaml")


def test_merge_replaces_domains_as_a_whole() -> None:
    merged = merge({"data": {"domains": {"a": "1", "b": "2"}, "size": 8}}, {"data": {"domains": {"c": "3"}}})
    assert merged == {"data": {"domains": {"c": "3"}, "size": 8}}


_LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{over}: &{over} [{', '.join(['*' + under] * 9)}]\n"
    for under, over in zip("abcdefghij", "bcdefghijk", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_LAUGHS + "train: {epochs: *k}\n", "too many values"),
        ("train: &a {epochs: *a}\n", "stands within"),
        (f"train: {{epochs: {'[' * 900}{']' * 900}}}\n", "nested too deeply"),
        ("train: {epochs: " + "9" * 5000 + "}\n", "not valid YAML"),
        ("train: {epochs: 0x" + "f" * 5000 + "}\n", "too many digits"),
        ("train: {epochs: !!int abc}\n", "none of its kind"),
        ("train: {epochs: 2020-13-45}\n", "train.epochs: must be a whole number"),
        ("train: {epochs: '" + "x" * 5000 + "'}\n", "train.epochs: must be a whole number"),
        ("data: {channels: [" + "[1, 2], " * 5000 + "]}\n", "data.channels"),
        ("? " + "x" * 5000 + "\n: 2\n", "there is no such setting"),
        ("? [1]\n: 2\n", "keys must be text"),
        ("extends: " + "x" * 5000 + "\n", "no preset"),
        ("train: {epochs: 1, epochs: 2}\n", "duplicate"),
        ("\0", "not valid YAML"),
        ("a: " + "x" * 2**20, "is longer"),
    ],
)
def test_hostile_files_are_refused_in_one_short_line(text: str, words: str, tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings("cyclegan", config=config)
    said = str(caught.value).removeprefix(str(tmp_path))
    assert words in said
    assert len(said) <= 300
    assert "\n" not in said


def test_dates_are_text(tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text("data: {path: 2020-01-01}\n")
    assert load_settings("cyclegan", config=config).data.path == "2020-01-01"


@pytest.mark.parametrize(
    "assignment",
    [
        "optimizer.lr=.inf", "optimizer.lr=.nan", "loss.identity=.nan", "schedule.warmup_epochs=.inf",
        "model.width=1000000", f"train.seed={10**30}", "train.batch_size=1000000000", "data.scenes=1000000000000",
        "train.epochs=1000000000000", "data.size=1000000", "runtime.devices=1000000", "runtime.workers=1000000",
        "train.save_every=1000000000000", f"model.generator={'x' * 1000}",
    ],
)  # fmt: skip
def test_absurd_values_are_refused(assignment: str) -> None:
    key = assignment.partition("=")[0]
    with pytest.raises(SettingsError, match=key):
        load_settings("cyclegan", assignments=[assignment])
    with pytest.raises(SettingsError, match="weights"):
        load_settings("segmentation", overrides={"loss.class_weights": {"sky": float("nan")}})
