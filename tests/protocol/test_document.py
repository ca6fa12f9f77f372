"""docs/protocol.md against the code, both ways: what one of them says, the other must."""

import itertools
from pathlib import Path

import msgspec
import pytest

from rundir import orders, records, remarks, status
from rundir.control import ControlPosition
from rundir.layout import RunDir
from rundir.process import ProcessId
from rundir.records import Event, Record
from rundir.status import Intent, State, Vitals, judge
from tests.protocol.spelling import bare, fields, tables, type_name

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
TABLES = dict(tables(TEXT))

RECORD_KINDS = [
    kind
    for kind in vars(records).values()
    if isinstance(kind, type) and issubclass(kind, Record) and kind not in (Record, Event)
]


def heading(kind: type[Record]) -> str:
    tag = f"`{kind.__struct_config__.tag}`"
    if kind.__struct_config__.tag != "resume":
        return tag
    return f"{tag} in {'events' if issubclass(kind, Event) else 'metrics'}.jsonl"


STRUCTS: list[tuple[str, type[msgspec.Struct], type[msgspec.Struct] | None]] = [
    ("Every record", Record, None),
    ("events.jsonl", Event, Record),
    *((heading(kind), kind, Event if issubclass(kind, Event) else Record) for kind in RECORD_KINDS),
    ("GpuSample", records.GpuSample, None),
    ("GpuProcess", records.GpuProcess, None),
    ("Sample", records.Sample, None),
    ("status.json", status.Status, None),
    ("Heart", status.Heart, None),
    ("ProcessId", ProcessId, None),
    ("ControlPosition", ControlPosition, None),
    ("Order", orders.Order, None),
    ("run.json", status.RunInfo, None),
    ("remarks.json", remarks.Remarks, None),
]


@pytest.mark.parametrize(("name", "struct", "base"), STRUCTS, ids=[name for name, _, _ in STRUCTS])
def test_fields(name: str, struct: type[msgspec.Struct], base: type[msgspec.Struct] | None) -> None:
    said = [(bare(field), kind, must == "must") for field, kind, must, _ in TABLES[name]]
    assert said == fields(struct, without=base)
    assert all(meaning for *_, meaning in TABLES[name])


def first_column(name: str) -> list[str]:
    return [bare(row[0]) for row in TABLES[name]]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Verbs", orders.Verb),
        ("What `set` may change", orders.SETTABLE),
        ("What a lifecycle event may say", records.LIFECYCLE),
        ("States", State),
        ("Intents", Intent),
        ("Phases", status.Phase),
    ],
)
def test_words(name: str, words: list[str]) -> None:
    assert first_column(name) == list(words)


def test_meanings_that_the_code_states_too() -> None:
    for name, meanings in [
        ("What `set` may change", orders.SETTABLE),
        ("What a lifecycle event may say", records.LIFECYCLE),
    ]:
        assert {bare(word): meaning for word, meaning in TABLES[name]} == meanings


def test_no_table_is_about_nothing() -> None:
    """The other way: every table is compared by one of the tests here."""
    compared = {name for name, _, _ in STRUCTS} | {
        "Verbs", "What `set` may change", "What a lifecycle event may say", "States", "Intents", "Phases",
        "Files", "Liveness", "Checkpoints",
    }  # fmt: skip
    assert compared == set(TABLES)


def test_files() -> None:
    run = RunDir(Path("/run"))
    names = [name for name, value in vars(RunDir).items() if isinstance(value, property) and name != "id"]
    of_code = {str(getattr(run, name).relative_to(run.path)) for name in names}
    assert set(first_column("Files")) == of_code


def test_checkpoint_files() -> None:
    from traind import checkpoint, manifest

    assert {manifest.MANIFEST, checkpoint.METRICS} <= set(first_column("Checkpoints"))


def test_the_limits_that_are_named() -> None:
    assert f"more than {orders.MAX_ORDER_BYTES} bytes" in TEXT
    assert f"1 to {orders.MAX_ID_LENGTH} characters" in TEXT
    assert f"`by` is longer than {orders.MAX_BY_LENGTH} characters" in TEXT
    assert f"nest deeper\n   than {orders.MAX_DEPTH}, are more than {orders.MAX_VALUES} names and values" in TEXT
    assert f"a text of more than {orders.MAX_TEXT_LENGTH} characters or a whole number beyond 2⁵³" in TEXT
    assert orders.MAX_INTEGER == 2**53
    assert f"old after {status.PRESUMED_DEAD_S:g} s" in TEXT
    assert f"more than {status.SILENT_TRAINER_S:g} s old" in TEXT
    assert f"`checkpoints/{RunDir(Path()).checkpoint(1200).name}/`" in TEXT


def matches(row: list[str], state: State, intent: Intent, seen: Vitals) -> bool:
    """Whether a line of the liveness table fits, read as a person would read it."""
    said_state, said_host, said_supervisor, said_trainer, said_intent, _ = row
    beat, mute_age = seen.supervisor_beat_age_s, seen.trainer_beat_age_s
    old = beat is not None and beat > status.PRESUMED_DEAD_S
    may_be_mute = state not in (State.PARKED, State.RESTARTING)
    mute = may_be_mute and mute_age is not None and mute_age > status.SILENT_TRAINER_S
    host = "elsewhere" if not seen.same_host else ("here" if seen.same_boot else "rebooted")
    supervisor = {
        "-": True,
        "never beat": beat is None,
        "old beat": old,
        "fresh beat": beat is not None and not old,
        "alive": seen.supervisor_alive,
        "alive, old beat": seen.supervisor_alive and old,
        "gone": not seen.supervisor_alive,
    }
    trainer = {"-": True, "mute": mute, "alive": seen.trainer_alive, "gone": not seen.trainer_alive}
    return (
        (said_state == "-" or state.has_ended)
        and said_host in ("-", host)
        and supervisor[said_supervisor]
        and trainer[said_trainer]
        and (said_intent == "-" or intent in (Intent.PAUSED, Intent.PARKED))
    )


def test_liveness_is_what_the_table_says() -> None:
    old, mute = status.PRESUMED_DEAD_S + 1, status.SILENT_TRAINER_S + 1
    used = set()
    for state, intent in itertools.product(State, Intent):
        for host, boot, supervisor, trainer in itertools.product([True, False], repeat=4):
            for beat, trainer_beat in itertools.product([None, 0.5, old], [None, 0.5, mute]):
                seen = Vitals(
                    same_host=host,
                    same_boot=boot,
                    supervisor_alive=supervisor,
                    trainer_alive=trainer,
                    supervisor_beat_age_s=beat,
                    trainer_beat_age_s=trainer_beat,
                )
                row = next(row for row in TABLES["Liveness"] if matches(row, state, intent, seen))
                used.add(tuple(row))
                assert judge(state, intent, seen) == bare(row[-1]), (state, intent, seen)
    assert used == {tuple(row) for row in TABLES["Liveness"]}
    assert {bare(row[-1]) for row in TABLES["Liveness"]} == set(status.Liveness)


def test_the_names_of_types() -> None:
    assert type_name(records.Number | None) == "number"
    assert type_name(dict[str, dict[str, records.Number]] | None) == "map of map of number"
