"""The filter of the table: each kind of word, and what is said of one that cannot be understood."""

import math
import re

import pytest

from rundir.status import Liveness, State
from tests.trainwatch.entries import NOW, alert, entry, tagged
from trainwatch.listing.glance import Figures
from trainwatch.listing.query import QueryError, parse

CONFIG = {
    "train": {"lr": 3e-4, "epochs": 4.0},
    "model": {"init": "scratch", "dropout": {"head": 0.1}},
    "x": {"on": True},
}
RUN = entry(
    "20261121-ner-big", State.RUNNING, Liveness.SILENT, config=CONFIG,
    remarks=tagged("Good", note="Debug of the loader"), alerts=(alert("overfitting"),),
    figures=Figures(step=120, loss=0.25, best={"f1": 0.85, "loss": 0.2}, latest={"f1": 0.8}, rate=2.0),
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "NER", "big 2026", "state:silent", "state:running", "-state:done", "task:token", "name:ner",
        "host:gpu1", "tag:good", "-tag:goo", "note:debug", "-note:fixed", "alert:overfit", "is:live", "-is:archived",
        "cfg.lr>=1e-4", "cfg.train.lr=3e-4", "cfg.train.lr=0.0003", "cfg.epochs<5", "cfg.init=scratch",
        "cfg.init:Scratch",
        "cfg.head=0.1", "cfg.on=true", "-cfg.init!=scratch", "best.f1>0.8", "last.f1<=0.8", "best.eval_loss<0.3",
        "loss<0.3", "step>=120", "progress>50", "age<2h", "age>59m", "eta<1h", "eta>39", "alerts>0", "attempt=1",
        "task:ner", "task:token-cls", "cls", "is:liv", "-is:arch",
        "'the loader'", "state=running", "state!=done", "-state=done",
        "tag=good", "state=", "state!=", "tag:", "-tag:", "state:", "state:running best.f1>0.8 -note:fixed cfg.lr<1",
    ],
)  # fmt: skip
def test_a_run_passes(text: str) -> None:
    assert parse(text).matches(RUN, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "-NER", "gpt", "state:done", "-state:running", "tag:goo", "cfg.lr<1e-4", "cfg.missing=1", "cfg.init=mlm",
        "cfg.init=1", "best.f1>0.9", "best.missing>0", "age>2h", "is:archived", "is:still", "eta<30", "step<120",
        "NER state:done", "state=done", "state!=running", "-state!=done",
    ],
)  # fmt: skip
def test_a_run_does_not_pass(text: str) -> None:
    assert not parse(text).matches(RUN, NOW)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour:red", "colour: is not known"),
        ("speed>3", "speed> is not known"),
        ("loss>much", "'much' is no number"),
        ("loss>", "'' is no number"),
        ("age<soon", "write it like 3d"),
        ("cfg.init>scratch", "compare texts by ="),
        ("is:dead", "is:dead is not known; there are is:archived"),
        ("'open", "quotation mark"),
        ("state>=stopped", "write state:stopped"),
        ("step:5", "write step=5"),
    ],
)
def test_what_cannot_be_understood_is_said(text: str, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        parse(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("lr>=1e-2", "cfg.train.lr>=1e-2"),
        ("-lr=1e-2", "cfg.train.lr=1e-2"),
        ("train.lr<1", "cfg.train.lr<1"),
        ("f1>0.8", "best.f1>0.8"),
        ("epoch>3", "cfg.train.epochs>3"),
        ("stpe>3", "step>3"),
        ("init=scratch", "cfg.model.init=scratch"),
    ],
)
def test_what_the_runs_have_and_may_have_been_meant_is_named(text: str, meant: str) -> None:
    names = ["cfg.train.lr", "cfg.train.epochs", "cfg.model.init", "best.f1", "cfg.optim.lr_min"]
    with pytest.raises(QueryError, match=f"did you mean {re.escape(meant)}\\?"):
        parse(text, lambda: names)
    with pytest.raises(QueryError, match="is not known; there are"):
        parse("zzzzz>3", lambda: names)


def test_archived_runs_are_shown_only_when_asked_for() -> None:
    away = entry("old", remarks=tagged(archived=True))
    assert not parse("").matches(away, NOW)
    assert not parse("old").matches(away, NOW)
    assert parse("is:archived").matches(away, NOW)
    assert not parse("-is:archived").matches(away, NOW)


def test_missing_and_odd_values_never_pass_a_comparison_nor_raise() -> None:
    bare = entry("bare", None, figures=Figures(loss=math.nan), info=None)
    for text in ("loss>0", "loss<=0", "progress>0", "age>0", "eta>0", "cfg.lr>0", "attempt>0", "task:x", "user:x"):
        assert not parse(text).matches(bare, NOW)
