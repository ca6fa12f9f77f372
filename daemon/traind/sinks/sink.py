"""What a sink is to the process that feeds it."""

from typing import Any, Protocol, TypeAlias

from rundir.records import EpochRecord, EvalRecord, StepRecord

Measured: TypeAlias = StepRecord | EvalRecord | EpochRecord
"""The records that carry figures."""

State: TypeAlias = dict[str, Any]
"""What a sink remembers between two processes; JSON."""


class StartOverError(Exception):
    """What is on disk is not what the sink's state says: it must be fed from the first record, with no state."""


class Sink(Protocol):
    """Takes records in file order. Any exception it raises ends it, and it alone.

    Made with the state of its last `commit`, or None to begin afresh; takes back then what it wrote after it, as those
    records come again.
    """

    def write(self, record: Measured) -> None:
        """Take one record. Of a due evaluation that was made twice at one step, the later holds."""

    def cut(self, step: int, at: float) -> None:
        """The run goes on from `step`, since `at`: what was written of later steps holds no longer."""

    def commit(self) -> State:
        """Put everything so far where it survives this process, and say what the next one needs to go on from here."""

    def close(self) -> None:
        """Nothing more will come from this process."""
