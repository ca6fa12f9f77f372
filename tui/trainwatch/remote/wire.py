"""What is said to `far.sh` and what it answers, as bytes and plain values. Pure."""

from dataclasses import dataclass

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-")
WHOLE = ("run.json", "config.toml", "labels.json", "remarks.json", "status.json")
"""Files that are replaced whole."""
LOGS = ("metrics.jsonl", "events.jsonl", "system.jsonl", "control.jsonl", "console.log")
"""Files that only grow."""
_ORDERS = b"control.d/"
_CHECKPOINTS = b"checkpoints/"


@dataclass(frozen=True, slots=True)
class Request:
    """One line to the far side. Words may hold any byte but NUL."""

    verb: str
    words: tuple[bytes, ...] = ()

    def line(self, mark: bytes) -> bytes:
        return b" ".join((mark, self.verb.encode(), *map(encoded, self.words))) + b"\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    body: bytes
    status: int
    now: float
    """The far clock, in whole seconds; nan where it does not tell."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A file as `ls` saw it."""

    inode: int
    size: int
    time: str = ""
    """To the minute, as text. Only compared."""


@dataclass(frozen=True, slots=True)
class Look:
    """All files of one run that matter."""

    files: dict[str, Sight]
    checkpoints: tuple[str, ...] = ()
    status_sum: str = ""
    """Of the status that is given here; empty where it is as it was."""
    status: bytes = b""


def encoded(word: bytes) -> bytes:
    """Such that neither blank, newline, backslash nor anything that a shell expands is left."""
    return b"".join(bytes([byte]) if byte in _PLAIN else b"\\0%03o" % byte for byte in word)


def spelled(name: str) -> bytes:
    """A run's name as the other side spells it."""
    return name.encode("utf-8", "surrogateescape")


def is_sane(name: bytes) -> bool:
    """Whether a run's name may stand among many in one `look`, whose answer is read line by line."""
    return all(byte in _PLAIN for byte in name)


def is_name(name: bytes) -> bool:
    """Whether it may become the name of a directory here: the other side is not to choose a place outside."""
    return bool(name) and b"/" not in name and not name.startswith(b".")


def parse_list(body: bytes) -> tuple[bytes, list[bytes]]:
    """The latest run's name, empty where there is none, and the names of all."""
    newest, *names = body.split(b"\0")
    return newest if is_name(newest) else b"", [name for name in names if is_name(name)]


def parse_looks(body: bytes) -> tuple[bytes, dict[bytes, dict[str, Sight]]]:
    """The sum of what a `look` found, and by run its files; no files where the sum was known."""
    found: dict[bytes, dict[str, Sight]] = {}
    total, *lines = body.split(b"\n")
    for line in lines:
        if (parsed := _sight(line)) is not None:
            run, _, name = parsed[0].rpartition(b"/")
            if is_name(run) and name.decode("ascii", "replace") in (*WHOLE, *LOGS):
                found.setdefault(run, {})[name.decode()] = parsed[1]
    return total, found


def parse_one(body: bytes) -> Look:
    head, *rest = body.split(b"\0", 2)
    files: dict[str, Sight] = {}
    checkpoints: list[str] = []
    for line in head.split(b"\n"):
        if line.startswith(_CHECKPOINTS) and is_sane(line) and b".." not in line and line.count(b"/") == 2:
            checkpoints.append(line.decode())
        elif (parsed := _sight(line)) is not None and _is_known(parsed[0]):
            files[parsed[0].decode()] = parsed[1]
    status_sum, status = (rest[0].decode("ascii", "replace"), rest[1]) if len(rest) == 2 else ("", b"")
    return Look(files, tuple(checkpoints), status_sum, status)


def _is_known(name: bytes) -> bool:
    if name.startswith(_ORDERS):
        return is_name(name.removeprefix(_ORDERS)) and is_sane(name)
    return name.decode("ascii", "replace") in (*WHOLE, *LOGS)


def _sight(line: bytes) -> tuple[bytes, Sight] | None:
    words = line.split(b" ")
    if len(words) not in (3, 4) or not (words[0].isdigit() and words[1].isdigit()):
        return None
    return words[2], Sight(int(words[0]), int(words[1]), words[3].decode("ascii", "replace") if len(words) == 4 else "")
