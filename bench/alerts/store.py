"""The corpus on disk: one gzipped file a run, its header first, then its records as the lines of a run directory.

for case in read("dev"):
    case.records, case.facts, case.label
"""

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from bench.alerts.labels import Label
from bench.alerts.spec import Part, Spec
from rundir.records import (
    CheckpointEvent,
    EvalRecord,
    LifecycleEvent,
    ResumeRecord,
    StepRecord,
    SystemRecord,
    encode,
)

FOLDER = Path("runs/alerts-corpus")
"""Where `bench.alerts.make` writes, relative to the repository; git ignores it."""

CorpusRecord: TypeAlias = StepRecord | EvalRecord | ResumeRecord | SystemRecord | LifecycleEvent | CheckpointEvent
_RECORDS = msgspec.json.Decoder(CorpusRecord)


class Header(msgspec.Struct, kw_only=True):
    """The first line of a run's file."""

    name: str
    part: Part
    family: str
    label: Label
    facts: dict[str, Any] = {}
    """What `rundir.alerts.facts.Facts` takes."""
    spec: Spec | None = None
    """What a trained run was made from; absent in a drawn stream."""
    stream: dict[str, Any] | None = None
    """What a drawn stream was made from: its kind, size and so on."""
    ends_at: float | None = None
    """UTC seconds up to which the run is watched, where that is after the last record."""


class Case(Header, kw_only=True):
    """One run of the corpus."""

    records: list[CorpusRecord]
    """In the order in which they were written, by time."""

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the run, whether logged or not."""
        return max((r.step for r in self.records if isinstance(r, StepRecord)), default=0)


def write(folder: Path, header: Header, records: Iterable[msgspec.Struct]) -> Path:
    """Write one run. The same content gives the same bytes."""
    path = folder / header.part / f"{header.name}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = b"".join([msgspec.json.encode(header) + b"\n", *map(encode, records)])
    path.write_bytes(gzip.compress(lines, 6, mtime=0))
    return path


def read_case(path: Path) -> Case:
    """Read one run. Raises msgspec.DecodeError on a file of another format."""
    first, _, rest = gzip.decompress(path.read_bytes()).partition(b"\n")
    header = msgspec.json.decode(first, type=Header)
    return Case(**{f: getattr(header, f) for f in header.__struct_fields__}, records=_RECORDS.decode_lines(rest))


def read(part: Part, folder: Path = FOLDER) -> Iterator[Case]:
    """Every run of one part, by name. FileNotFoundError, saying the cure, where none was made."""
    paths = sorted((folder / part).glob("*.jsonl.gz"))
    if not paths:
        raise FileNotFoundError(f"no runs in {folder / part}: make them by `python -m bench.alerts.make --part {part}`")
    for path in paths:
        yield read_case(path)
