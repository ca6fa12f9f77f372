"""The configuration as a tree: folded, searched, marked, held against another run's; and how it is painted."""

from pathlib import Path

import pytest

from rundir.layout import RunDir
from rundir.status import RunInfo
from trainwatch.comparison.difference import config_facts, differing
from trainwatch.paint import row_width, text_of
from trainwatch.panes.config_page import paint_config, paint_setting
from trainwatch.settings.tree import Origin, Settings, SettingsTree, settings_of

CONFIG = {
    "name": "ner",
    "train": {"lr": 5e-5, "epochs": 3.0, "lora": {"r": 8}},
    "data": {"train": "[/]x\x1b[2J.csv"},
}


def settings(config: dict[str, object] | None = None, **fields: object) -> Settings:
    info = RunInfo(id="x", name="ner", task="t", created_at=1.0, **fields)  # type: ignore[arg-type]
    return settings_of(RunDir(Path("x")), CONFIG if config is None else config, info, None)


def shown(tree: SettingsTree) -> list[str]:
    return [f"{'  ' * line.depth}{line.name}" for line in tree.lines()]


def test_tables_follow_the_keys_and_the_environment_comes_last() -> None:
    tree = SettingsTree([settings(host="gpu1", argv=["traind", "start", "a b.toml"])])
    assert shown(tree) == [
        "name", "train", "  lr", "  epochs", "  lora", "    r", "data", "  train", "environment", "  host", "  command"
    ]  # fmt: skip
    assert tree.lines()[-1].values == ("traind start 'a b.toml'",)


def test_tables_fold_and_unfold() -> None:
    tree = SettingsTree([settings()])
    tree.chosen = "train.lora.r"
    tree.toggle()
    assert shown(tree)[:5] == ["name", "train", "  lr", "  epochs", "  lora"]
    assert tree.chosen == "train.lora"
    tree.toggle()
    assert "    r" in shown(tree)
    tree.close_all()
    assert shown(tree) == ["name", "train", "data"]
    assert tree.chosen == "train"
    tree.open_all()
    tree.move(-99)
    tree.toggle()  # a key of no table
    assert len(shown(tree)) == 8
    tree.move(99)
    assert tree.chosen == "data.train"


def test_a_search_opens_what_it_finds() -> None:
    tree = SettingsTree([settings()], closed={"train", "data"})
    tree.text = "LORA"
    assert shown(tree) == ["train", "  lora", "    r"]
    tree.text = "train -lora -data"
    assert shown(tree) == ["train", "  lr", "  epochs"]
    tree.text = "5e-05"
    assert shown(tree) == ["train", "  lr"]
    tree.text = "zzz"
    assert shown(tree) == []
    tree.move(1)
    tree.toggle()


def test_a_search_chooses_the_first_key_that_passes() -> None:
    tree = SettingsTree([settings()], chosen="data")
    tree.search("lor")
    assert tree.chosen == "train.lora.r"
    tree.search("r")
    assert tree.chosen == "train.lora.r"  # it still passes
    tree.search("epochs")
    assert tree.chosen == "train.epochs"
    tree.search("zzz")
    tree.search("")
    assert tree.chosen == "train.epochs"


def test_where_values_come_from() -> None:
    known = settings(
        given=["name", "train.lr"], argv=["traind", "start", "--set", "train.epochs=3", "--set=data.train=x"]
    )
    assert [known.origin(path) for path in ("name", "train.lora.r", "train.epochs", "data.train")] == [
        Origin.GIVEN, Origin.DEFAULT, Origin.COMMAND, Origin.COMMAND
    ]  # fmt: skip
    assert known.origin("environment.host") is Origin.UNKNOWN
    assert settings().origin("name") is Origin.UNKNOWN


def test_two_runs_show_what_differs_or_all() -> None:
    other = settings({"name": "ner", "train": {"lr": 1e-5, "epochs": 3.0}, "new": {"key": True}}, host="b")
    tree = SettingsTree([settings(host="a"), other])
    assert shown(tree) == [
        "train",
        "  lr",
        "  lora",
        "    r",
        "data",
        "  train",
        "new",
        "  key",
        "environment",
        "  host",
    ]
    assert [line.values for line in tree.lines() if line.path == "train.lora.r"] == [("8", None)]
    assert next(line for line in tree.lines() if line.path == "train").num_differing == 2
    tree.only_differing = False
    assert "name" in shown(tree)
    alike = SettingsTree([settings(), settings()])
    assert shown(alike) == []
    assert "no difference" in text_of(paint_config(alike, "b", 60, 8))


def test_numbers_that_differ_late_differ() -> None:
    assert differing([config_facts({"lr": 0.12345678}), config_facts({"lr": 0.12345679})])


def test_the_picture() -> None:
    tree = SettingsTree([settings(given=["train.lr"]), settings({"train": {"lr": 1e-5}})], chosen="train.lr")
    tree.closed = {"data"}
    assert text_of(paint_config(tree, "20261122-other", 72, 10)) == (
        "╭─ configuration  against 20261122-other  5 differ ────────────────────╮\n"
        "│                         this run              20261122-other         │\n"
        "│    name                 ner                   –                      │\n"
        "│  ▾ train                                                             │\n"
        "│❯     lr                 5e-05                 1e-05                  │\n"
        "│      epochs             3                     –                      │\n"
        "│    ▾ lora                                                            │\n"
        "│        r                8                     –                      │\n"
        "│  ▸ data  1 keys, 1 differ                                            │\n"
        "╰──────────────────────────────────────────────────────────────────────╯"
    )


@pytest.mark.parametrize("size", [(1, 1), (4, 3), (9, 40), (160, 3), (80, 24)])
def test_any_size_is_filled_exactly(size: tuple[int, int]) -> None:
    width, height = size
    alone, two = SettingsTree([settings()]), SettingsTree([settings(), settings({})], chosen="data.train")
    for painted in (
        paint_config(alone, "", width, height),
        paint_config(two, "b", width, height),
        paint_setting(two.lines()[-1], two, width, height),
        paint_setting(None, two, width, height),
    ):
        assert [row_width(row) for row in painted] == [width] * height
        assert "\x1b" not in text_of(painted)
