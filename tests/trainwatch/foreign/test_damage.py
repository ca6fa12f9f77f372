"""Whatever is done to another program's file, it is a picture or a message, and no escape reaches the terminal."""

import json
import random
from pathlib import Path

import pytest

from rundir.layout import RunDir
from tests.trainwatch.foreign.logs import Events
from trainwatch.foreign.find import open_source
from trainwatch.foreign.source import ForeignError
from trainwatch.snapshot import as_json, as_text

NUM_DAMAGES = 80
ODD = [
    b"\x1b[2J",
    b"[/bold]",
    b"1e999",
    b"-inf",
    b"nan",
    b"9" * 40,
    b"\0",
    b"\n",
    b",,,",
    b'"',
    b"{",
    b"\xff\xfe",
    b"\xe2\x80\xae",
]


def whole(kind: str, folder: Path) -> Path:
    if kind == "tensorboard":
        path = folder / "events.out.tfevents.1"
        events = Events(path)
        for step in range(1, 9):
            events.scalars(step, {"train/loss": 1 / step, "eval/f1": 0.5, "\x1b[31mred": 1.0})
    elif kind == "csv":
        path = folder / "log.csv"
        path.write_text("step,loss,val_f1,[b]odd\n" + "".join(f"{step},{1 / step},0.5,x\n" for step in range(1, 9)))
    else:
        path = folder / "trainer_state.json"
        history = [{"step": step, "loss": 1 / step, "eval_f1": 0.5, "[b]odd": 1} for step in range(1, 9)]
        path.write_text(json.dumps({"log_history": history, "max_steps": 9}))
    return path


def damaged(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                data = data[:place]
            case 1:
                data = data[:place] + chance.choice(ODD) + data[place:]
            case 2:
                data = data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
            case _:
                data = data[:place] + data[place + chance.randrange(20) :]
    return data


def refusal(path: Path) -> str:
    try:
        open_source(path)
    except ForeignError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", ["tensorboard", "csv", "trainer_state"])
def test_no_damage_does_more_than_hide_what_it_hit(tmp_path: Path, kind: str) -> None:
    path, chance = whole(kind, tmp_path), random.Random(kind)
    data, num_shown = path.read_bytes(), 0
    for _ in range(NUM_DAMAGES):
        path.write_bytes(damaged(data, chance))
        if said := refusal(path):
            assert "\x1b" not in said
            continue
        text = as_text(RunDir(path), 100, 30)
        assert "\x1b" not in text
        json.loads(as_json(RunDir(path)))
        num_shown += 1
    assert num_shown
