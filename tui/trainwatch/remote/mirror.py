"""One host's runs, kept as copies here by a thread: connects, looks, fetches what is new, and begins again when lost.

The thread owns the copies; others read their files, `contact` (replaced whole), and ask for what they want.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rundir import layout
from rundir.layout import LATEST, RunDir
from trainwatch import format as fmt
from trainwatch.remote.address import Address
from trainwatch.remote.cache import Place
from trainwatch.remote.copy import OPEN_ENDS, Copy, Piece, fetch
from trainwatch.remote.line import Line, LostError
from trainwatch.remote.run import RemoteRun
from trainwatch.remote.table import Progress, Table
from trainwatch.remote.wire import Answer, Request, parse_list, parse_one, spelled

POLL_S = 1.0
"""Between two looks at a run whose page is open."""
LIST_S = 15.0
"""Between two looks at the directory itself."""
FIRST_RETRY_S = 1.0
MAX_RETRY_S = 30.0
"""A lost connection is tried again after twice the time each time, up to this."""


@dataclass(frozen=True, slots=True)
class Contact:
    """How the connection is."""

    is_up: bool = False
    lost_at: float = 0.0
    """By the clock here; when the last answer came, or the first try began."""
    why: str = "not connected yet"
    retry_at: float = 0.0
    far_now: float = math.nan
    """The clock there at the last answer."""
    is_complete: bool = False
    """Whether every run of the directory was looked at once."""


class Mirror:
    """Of one address, a run or a directory of runs. `close` ends thread and ssh."""

    def __init__(self, address: Address, cache: Path | None = None) -> None:
        """Raises OSError where there is no place for copies."""
        self.address = address
        self.url = address.url
        """Of the directory of runs; known in full once connected."""
        self.runs_path = ""
        """The same directory, as a path there."""
        self.run_name = ""
        """Of the run that the address names; empty where it is a directory of them."""
        self.newest = ""
        """Name of the latest run."""
        self.contact = Contact(lost_at=time.time())
        self.wants_table = False
        """Whether anybody looks at the table; set by whoever shows it."""
        self.num_bytes_in = 0
        self.num_bytes_out = 0
        self._place = Place(address, cache)
        self.table_dir, self._open_dir = self._place.path / "table", self._place.path / "open"
        self._table = Table(self.table_dir)
        for folder in (self.table_dir, self._open_dir):
            folder.mkdir(mode=0o700, exist_ok=True)
        self._line: Line | None = None
        self._listed_at = -math.inf
        self._open: dict[str, tuple[Copy, int]] = {}
        """By name, and how many read it."""
        self._missing: dict[str, int] = {}
        self._guard = threading.Lock()
        self._news = threading.Condition()
        self._wake = threading.Event()
        self._has_ended = False
        self._thread = threading.Thread(target=self._work, name=f"mirror {address.host}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._has_ended = True
        self._wake.set()
        if (line := self._line) is not None:
            line.close()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._place.close()

    # --- for the screens ----------------------------------------------------------------------------------------------

    def wait_for_contact(self, timeout_s: float) -> Contact:
        """After the first try to connect, or the timeout."""
        self.wait_until(lambda: self.contact.is_up or self.contact.retry_at > 0, timeout_s)
        return self.contact

    def run_at(self, path: Path) -> RunDir:
        return RemoteRun(path, self)

    def open(self, name: str) -> RunDir:
        """A run whose records are to be here, all of them. What the table knows of it is here at once."""
        with self._guard:
            copy, readers = self._open.get(name) or (self._begun(name), 0)
            self._open[name] = copy, readers + 1
        self._wake.set()
        return RemoteRun(copy.path, self)

    def _begun(self, name: str) -> Copy:
        copy = Copy(self._open_dir / name, OPEN_ENDS)
        for file in ("run.json", "config.toml", "status.json"):
            known = self.table_dir / name / file
            if not (copy.path / file).exists() and known.is_file():
                copy.replace(file, known.read_bytes())
        return copy

    def release(self, name: str) -> None:
        with self._guard:
            copy, readers = self._open.pop(name)
            if readers > 1:
                self._open[name] = copy, readers - 1

    def wait_for_records(self, name: str, timeout_s: float, *, all_of_them: bool = True) -> bool:
        """Until a run that is open was looked at, and everything of it is here. False at the timeout."""

        def has_come() -> bool:
            return self._missing.get(name, 1) == 0 if all_of_them else name in self._missing

        return self.wait_until(has_come, timeout_s)

    def missing_bytes(self, name: str) -> int:
        return self._missing.get(name, 0)

    def trouble(self, now: float) -> str:
        """In words, while not connected; else empty."""
        contact = self.contact
        if contact.is_up:
            return ""
        next_try = f", next try in {max(0, contact.retry_at - now):.0f} s" if contact.retry_at > now else ", trying"
        age = fmt.duration(max(0.0, now - contact.lost_at))
        return f"{self.address.host}: no connection for {age} ({contact.why}){next_try}"

    def put(self, run: str, file: str, data: bytes) -> None:
        """Write a small file there, whole. Raises OSError; where the connection ended meanwhile it may have arrived."""
        line = self._line
        if line is None or not self.contact.is_up:
            raise LostError(f"no connection to {self.address.host}")
        try:
            (answer,) = line.ask([Request("put", (spelled(run), file.encode(), data))])
        except LostError as error:
            raise LostError(f"the connection ended ({error}); whether it arrived is not known") from error
        if answer.status:
            why = answer.body.decode("utf-8", "replace").strip() or "it was refused"
            raise OSError(f"{self.address.host}: {why}")
        self._table.touch(run)
        self._wake.set()

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        """For something in the copies, judged after each look. False at the timeout."""
        with self._news:
            return self._news.wait_for(is_so, timeout_s)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        wait_s = FIRST_RETRY_S
        while not self._has_ended:
            try:
                self._connect()
                wait_s = FIRST_RETRY_S
                while not self._has_ended:
                    self._wake.clear()
                    if not self._round():
                        self._wake.wait(POLL_S)
            except OSError as error:
                self._lose(str(error), wait_s)
            self._end_line()
            if not self._has_ended:
                self._wake.wait(wait_s)
                self._wake.clear()
            wait_s = min(MAX_RETRY_S, wait_s * 2)

    def _connect(self) -> None:
        self._line = Line(self.address)
        if self._has_ended:
            raise LostError("closed")
        self._line.greet()
        (answer,) = self._ask([Request("root", (self.address.path,))])
        if answer.status:
            raise LostError(f"{self.address.path.decode('utf-8', 'replace')}: {_words(answer)}")
        path, name, *_ = answer.body.split(b"\0")
        self.url = Address(self.address.host, path, self.address.user, self.address.port).url
        self.runs_path = path.decode("utf-8", "surrogateescape")
        self.run_name = name.decode("utf-8", "surrogateescape")
        self._list()
        self._tell(replace(self.contact, is_up=True, why="", retry_at=0.0))

    def _lose(self, why: str, wait_s: float) -> None:
        now = time.time()
        lost_at = now if self.contact.is_up else self.contact.lost_at
        self._tell(replace(self.contact, is_up=False, why=why, lost_at=lost_at, retry_at=now + wait_s))

    def _end_line(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()
            self.num_bytes_in += line.num_bytes_in
            self.num_bytes_out += line.num_bytes_out

    def _tell(self, contact: Contact) -> None:
        with self._news:
            self.contact = contact
            self._news.notify_all()

    def _ask(self, requests: list[Request]) -> list[Answer]:
        line = self._line
        if line is None:
            raise LostError("closed")
        answers = line.ask(requests)
        if answers:
            far_now = answers[-1].now
            self.contact = replace(self.contact, far_now=far_now if math.isfinite(far_now) else time.time())
        return answers

    def _round(self) -> bool:
        """Look once at all that is due. Whether there is more to fetch at once."""
        moment = time.monotonic()
        if moment - self._listed_at >= LIST_S:
            self._list()
        more = self._follow_opened()
        if self.wants_table and not self.run_name:
            progress = self._table.follow(self._ask, moment, lambda: self.contact.far_now)
            self._tell(replace(self.contact, is_complete=self.contact.is_complete or progress is Progress.RESTS))
            more = more or progress is Progress.MORE
        return more

    def _list(self) -> None:
        self._listed_at = time.monotonic()
        (answer,) = self._ask([Request("list")])
        if answer.status:
            raise LostError(_words(answer))
        newest, names = parse_list(answer.body)
        latest = newest.decode("utf-8", "surrogateescape")
        if latest:
            layout.point(self._open_dir / LATEST, latest)
        found = {name.decode("utf-8", "surrogateescape") for name in names}
        self.newest = latest or max(found, default="")
        self._table.hold(found, self.contact.far_now)

    def _follow_opened(self) -> bool:
        with self._guard:
            copies = {name: copy for name, (copy, _) in self._open.items()}
        if not copies:
            return False
        requests = [Request("one", (copy.run, copy.status_sum.encode())) for copy in copies.values()]
        pieces: list[tuple[Copy, Piece]] = []
        missing: dict[str, int] = {}
        for (name, copy), answer in zip(copies.items(), self._ask(requests), strict=True):
            look = parse_one(answer.body)
            if answer.status == 0 and look.files:
                if look.status_sum:
                    copy.replace("status.json", look.status)
                    copy.status_sum = look.status_sum
                copy.set_checkpoints(look.checkpoints)
                files = {file: sight for file, sight in look.files.items() if file != "status.json"}
                new = copy.missing(files)
                pieces += [(copy, piece) for piece in new]
                missing[name] = sum(max(0, piece.sight.size - piece.offset - piece.length) for piece in new)
            else:
                missing[name] = 0
        fetch(self._ask, pieces)
        for copy in copies.values():
            copy.save()
        with self._news:
            self._missing = missing
            self._news.notify_all()
        return any(missing.values())


def _words(answer: Answer) -> str:
    return answer.body.decode("utf-8", "replace").strip() or "it cannot be read"
