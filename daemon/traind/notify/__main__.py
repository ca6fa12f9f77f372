"""The process that sends one message: `python -m traind.notify`, an errand as JSON on its standard input, what became
of it on its standard output. The only place that knows apprise, and the URLs.
"""

import logging
import os
import re
import sys

import apprise
import msgspec

from rundir.records import Severity
from traind.notify import address
from traind.notify.address import AddressError
from traind.notify.errand import Errand, Result, Results

_TYPES = {
    Severity.CRITICAL: apprise.NotifyType.FAILURE,
    Severity.WARNING: apprise.NotifyType.WARNING,
    Severity.INFO: apprise.NotifyType.INFO,
}
_STATUS = re.compile(r"error=(\d{3})\b")


class _Ear(logging.Handler):
    """Keeps the HTTP status of a refusal, which apprise only logs; the rest of such a line may hold a URL."""

    def __init__(self) -> None:
        super().__init__()
        self.why = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if found := _STATUS.search(text):
            self.why = f"refused with HTTP {found[1]}"
        elif "onnection" in text:
            self.why = "could not be reached"


def main() -> int:
    """Returns 0 whenever it could say what became of the errand."""
    os.nice(10)
    errand = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    try:
        urls = address.read(errand.notify, os.environ)
    except AddressError as error:
        found = Results(fault=str(error))
    else:
        found = Results(results=[_send(errand, n, url) for n, url in enumerate(urls, 1) if _is_meant(errand, n)])
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


def _is_meant(errand: Errand, number: int) -> bool:
    return not errand.only or number in errand.only


def _send(errand: Errand, number: int, url: str) -> Result:
    name = f"target {number} ({address.scheme(url)})"
    log, ear = logging.getLogger("apprise"), _Ear()
    log.propagate = False
    log.addHandler(ear)
    try:
        target = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(secure_logging=True, async_mode=False))
        if target is None:
            why = "is no URL that apprise knows, or lacks a part; see https://github.com/caronc/apprise/wiki"
            return Result(number=number, name=name, why=why, is_hopeless=True)
        notice = errand.notice
        was_sent = target.notify(title=notice.title, body=notice.text, notify_type=_TYPES[notice.severity])
    except Exception as error:  # noqa: BLE001 — a plugin's own fault is one more reason why it was not sent
        return Result(number=number, name=name, why=f"apprise failed with {type(error).__name__}")
    finally:
        log.removeHandler(ear)
    return Result(number=number, name=name, why="" if was_sent else ear.why or "was not sent")


if __name__ == "__main__":
    sys.exit(main())
