"""What an undisturbed run computes, and what is wrong with one that was disturbed."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from rundir.control import ControlReader
from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, METRICS_DECODER, EvalRecord, OutcomeEvent, StepRecord, decode_lines, encode
from rundir.status import State
from tests.process.tiny_run import events_of, metrics_of, status_of, trace_of
from tests.soak.farm import Farm, make_run
from tests.soak.kinds import SPRINTS, Kind
from tests.soak.slaughter import Slaughter

Numbers = dict[str, Any]


def outcomes_of(run: RunDir) -> list[OutcomeEvent]:
    return [event for event in events_of(run) if isinstance(event, OutcomeEvent)]


def numbers_of(run: RunDir) -> Numbers:
    """All that a run has computed, texts and confusions included; evaluations that were ordered are no part of it."""
    trace = trace_of(run)
    evals = [record for record in metrics_of(run) if isinstance(record, EvalRecord) and record.trigger != "order"]
    return {
        "steps": trace.steps,
        "evals": [entry for entry in trace.evals if entry[1] != "order"],
        "epochs": trace.epochs,
        "weights": trace.weights,
        "samples": [msgspec.to_builtins(record.samples) for record in evals],
        "confusions": [record.confusion for record in evals],
        "rollbacks": [event.args for event in outcomes_of(run) if event.verb == "rollback" and event.by == "policy"],
    }


def run_through(farm: Farm, kind: Kind, directory: Path, orders: list[OutcomeEvent] | None = None) -> RunDir:
    """One undisturbed run, with the `set` orders that another one was given, each at the step at which it was."""
    run = make_run(kind.write_config(directory), *kind.settings, *SPRINTS)
    run.events.write_bytes(b"".join(map(encode, orders or [])))
    farm.begin(run)
    Slaughter(farm, run, directory, random.Random(0)).finish()
    return run


def differences(run: RunDir, wanted: Numbers) -> list[str]:
    """What is wrong with a run that has ended, each in a few words; nothing when all is as `wanted`."""
    status = status_of(run)
    if status.state is not State.DONE:
        return [f"{status.state}: {status.last_error}"]
    got = numbers_of(run)
    return [f"{name} differ" for name in wanted if got[name] != wanted[name]] + flaws(run)


def flaws(run: RunDir) -> list[str]:
    """What is wrong with the logs of a run in themselves, whatever they say."""
    found = []
    for path, decoder in ((run.events, EVENT_DECODER), (run.metrics, METRICS_DECODER)):
        data = path.read_bytes()
        skipped = decode_lines(data, decoder).skipped
        if skipped or not data.endswith(b"\n"):
            found.append(f"{path.name}: {skipped} lines are no records")
    keys = Counter((event.writer, event.attempt, event.seq) for event in events_of(run))
    found += [f"events.jsonl: {key} {n} times" for key, n in keys.items() if n > 1]
    return found + _flaws_of_steps(run) + _flaws_of_orders(run)


def _flaws_of_steps(run: RunDir) -> list[str]:
    """Each step has one record, but those whose batches a rollback has left out."""
    ranges = [event.args for event in outcomes_of(run) if event.args and "skip_from" in event.args]
    left_out = {step for each in ranges for step in range(each["skip_from"], each["skip_to"] + 1)}
    steps = [record.step for record in metrics_of(run) if isinstance(record, StepRecord)]
    wanted = [step for step in range(1, status_of(run).step + 1) if step not in left_out]
    return [] if steps == wanted else [f"the steps are {steps}"]


def _flaws_of_orders(run: RunDir) -> list[str]:
    """Each order that was given has exactly one outcome."""
    reader, given = ControlReader(run), set[str]()
    while orders := reader.poll():
        given |= {order.id for order in orders}
    answered = Counter(event.order for event in outcomes_of(run) if event.by != "policy")
    unanswered = [f"order {order} has {answered[order]} outcomes" for order in sorted(given) if answered[order] != 1]
    return unanswered + [f"nobody gave the order {order}" for order in answered if order not in given]
