"""One message, as plain values: what a person reads, and what a program gets as JSON. Knows no way to send it."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from rundir.records import Severity

Kind = Literal["alert", "finished", "crashed", "restarted", "new-best", "several", "test"]


class Notice(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Something that happened to a run and is worth telling."""

    kind: Kind
    severity: Severity
    title: str
    text: str
    """For people, a few lines; no markup."""
    run: str
    directory: str
    host: str
    at: float
    """UTC seconds at which it happened."""
    step: int | None = None
    is_last: bool = False
    """Whether it tells of the run's end: nothing comes after it."""
    alert: dict[str, Any] | None = None
    """The alert as it stands in events.jsonl."""


def joined(notices: Sequence[Notice], why: str) -> Notice:
    """Several that had to wait, as one: as grave as the gravest, as late as the last."""
    if len(notices) == 1:
        return notices[0]
    last = notices[-1]
    return Notice(
        kind="several",
        severity=min((notice.severity for notice in notices), key=list(Severity).index),
        title=f"{last.run}: {len(notices)} messages {why}",
        text="\n\n".join(f"{notice.title}\n{notice.text}" for notice in notices),
        run=last.run,
        directory=last.directory,
        host=last.host,
        at=last.at,
        step=last.step,
        is_last=any(notice.is_last for notice in notices),
    )
