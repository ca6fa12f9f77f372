"""Two processes hear the same orders at the same step, and a pause holds both."""

import multiprocessing
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import pytest

from rundir.control import Order, Verb, send
from rundir.integrations.ranks import agreed_orders
from rundir.layout import RunDir
from rundir.status import State, read_status
from rundir.writer import RunWriter
from tests.conftest import eventually


def train(rank: int, path: Path, heard: "Queue[Any]") -> None:
    """Counts steps until it is told to stop; says on which it heard what."""
    from torch import distributed

    distributed.init_process_group("gloo", init_method=f"file://{path}/rendezvous", rank=rank, world_size=2)
    run = RunWriter(path / "run", takes=("lr",)) if rank == 0 else None
    is_told_to_stop, step = False, 0
    while not is_told_to_stop:
        step += 1
        if run is not None:
            run.log(step, loss=1.0)
        for order in agreed_orders(run, step, 2):
            heard.put((rank, step, str(order.verb), order.args))
            is_told_to_stop = order.verb is Verb.STOP
    if run is not None:
        run.close()
    distributed.barrier()
    distributed.destroy_process_group()


@pytest.mark.slow
def test_all_act_at_one_step(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    heard: Queue[Any] = spawn.Queue()
    ranks = [spawn.Process(target=train, args=(rank, tmp_path, heard), daemon=True) for rank in (0, 1)]
    for rank in ranks:
        rank.start()
    run = RunDir(tmp_path / "run")

    def state() -> State | None:
        status = read_status(run.status_json)
        return status.state if status is not None else None

    eventually(lambda: state() is State.RUNNING, 60)
    send(run, Order(verb=Verb.PAUSE, id="p"))
    eventually(lambda: state() is State.PAUSED)
    send(run, Order(verb=Verb.SET, id="s", args={"lr": 0.5}))
    send(run, Order(verb=Verb.STOP, id="x"))
    told = sorted(heard.get(timeout=30) for _ in range(4))
    for rank in ranks:
        rank.join(30)
        assert rank.exitcode == 0
    step = told[0][1]
    assert told == [(rank, step, verb, args) for rank in (0, 1) for verb, args in (("set", {"lr": 0.5}), ("stop", {}))]
    assert state() is State.STOPPED


def test_without_a_process_group_it_is_said() -> None:
    with pytest.raises(RuntimeError, match="2 processes and no process group"):
        list(agreed_orders(None, 1, 2))
