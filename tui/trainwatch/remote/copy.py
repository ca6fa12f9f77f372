"""The copy here of one run elsewhere: which bytes are missing, and what comes in. An ordinary run directory to read.

Logs grow by their new bytes; one that is another file, or shorter, is begun anew. Small files are replaced whole.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rundir.atomic import write_atomic
from trainwatch.remote.wire import LOGS, WHOLE, Answer, Request, Sight

CHUNK_BYTES = 1024 * 1024
MAX_WHOLE_BYTES = 4 * 1024 * 1024
"""A file that is to be replaced whole and is longer is left where it is."""
_ROOM_BYTES = 16 * 1024
"""A file replaced between two requests may have grown by so much."""
KNOWN_BYTES = 64
"""Before the new bytes of a log, by which it is known again: as `rundir.tail` does."""
_STATE = ".copy.json"
TABLE_ENDS: Mapping[str, int] = {"metrics.jsonl": 16 * 1024, "events.jsonl": 16 * 1024}
"""Of which logs the table needs how much of the end (`listing.scan`): before it the copy has a hole."""
OPEN_ENDS: Mapping[str, int] = {"console.log": 256 * 1024}
"""The same for a run's own page."""


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """What is here of one file."""

    inode: int
    start: int
    """Before this offset there is a hole."""
    end: int
    time: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file that are missing here."""

    file: str
    offset: int
    length: int
    sight: Sight
    overlap: int = 0
    """So many of the bytes are here already, and must be the same."""

    def request(self, run: bytes) -> Request:
        place = (run, self.file.encode(), b"%d" % self.offset, b"%d" % self.length)
        return Request("fetch", place)


Ask = Callable[[list[Request]], list[Answer]]
PIPELINED = 16
"""Requests sent before the first answer is read: few enough to fit into any pipe."""


class Copy:
    """Owns one directory. The name of a run, as the other side spells it, and how much of which log is wanted."""

    def __init__(self, path: Path, ends: Mapping[str, int]) -> None:
        self.path = path
        self.run = os.fsencode(path.name)
        self.status_sum = "0"
        """Of status.json, by which the other side knows whether there is a newer one."""
        self._ends = ends
        self._kept = self._load()
        self._is_saved = True

    def missing(self, files: Mapping[str, Sight], *, status: bool = False) -> list[Piece]:
        """What is to be fetched next, a chunk of each file at most; the small ones first. Forgets what is gone.

        `status`: status.json too, though nothing of it seems to be new.
        """
        for file in self._kept.keys() - files.keys():
            self._forget(file)
            (self.path / file).unlink(missing_ok=True)
        pieces = []
        for file, sight in sorted(files.items(), key=lambda each: (each[0] in LOGS, each[0] not in WHOLE)):
            piece = self._grown(file, sight) if file in LOGS else self._replaced(file, sight, status=status)
            if piece is not None:
                pieces.append(piece)
        return pieces

    def take(self, piece: Piece, answer: Answer) -> bool:
        """Put in what came. Whether something was new. Raises OSError where it cannot be written here."""
        if answer.status:
            return False  # gone between two requests: the next look says so
        if piece.file in LOGS:
            return self._append(piece, answer.body)
        if len(answer.body) >= piece.length:
            return False  # longer than it was said to be
        self.replace(piece.file, answer.body)
        self._keep(piece.file, Kept(piece.sight.inode, 0, piece.sight.size, piece.sight.time))
        return True

    def replace(self, file: str, data: bytes) -> None:
        path = self.path / file
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, data, durable=False)

    def set_checkpoints(self, names: tuple[str, ...]) -> None:
        """Empty directories: that a checkpoint is there is all that is asked."""
        here = self.path / "checkpoints"
        found = {f"checkpoints/{each.name}/" for each in here.iterdir()} if here.is_dir() else set()
        for name in found - set(names):
            (self.path / name).rmdir()
        for name in set(names) - found:
            (self.path / name).mkdir(mode=0o700, parents=True)

    def save(self) -> None:
        """Remember how far the files are, for the next program that looks."""
        if not self._is_saved and self.path.is_dir():
            write_atomic(self.path / _STATE, msgspec.json.encode(self._kept), durable=False)
            self._is_saved = True

    def _replaced(self, file: str, sight: Sight, *, status: bool) -> Piece | None:
        kept = self._kept.get(file)
        same = kept is not None and (kept.inode, kept.end, kept.time) == (sight.inode, sight.size, sight.time)
        if (same and not (status and file == "status.json")) or sight.size > MAX_WHOLE_BYTES:
            return None
        return Piece(file, 0, sight.size + _ROOM_BYTES, sight)

    def _grown(self, file: str, sight: Sight) -> Piece | None:
        kept, limit = self._kept.get(file), self._ends.get(file, sight.size)
        is_known = kept is not None and kept.inode == sight.inode and sight.size >= kept.end
        if kept is None or not is_known or sight.size - kept.end > max(limit, CHUNK_BYTES) > CHUNK_BYTES:
            start = max(0, sight.size - limit)
            self._begin(file, sight, start)
            return Piece(file, start, min(CHUNK_BYTES, sight.size - start), sight) if sight.size > start else None
        if sight.size == kept.end:
            return None
        overlap = min(KNOWN_BYTES, kept.end - kept.start)
        length = overlap + min(CHUNK_BYTES, sight.size - kept.end)
        return Piece(file, kept.end - overlap, length, sight, overlap)

    def _begin(self, file: str, sight: Sight, start: int) -> None:
        """An empty file, as another one than before: readers notice."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path / file
        new = path.with_name(f".{file}.new")
        with new.open("wb") as begun:
            begun.truncate(start)
        new.replace(path)
        self._keep(file, Kept(sight.inode, start, start))

    def _append(self, piece: Piece, data: bytes) -> bool:
        kept = self._kept[piece.file]
        with (self.path / piece.file).open("r+b") as file:
            before = os.pread(file.fileno(), piece.overlap, kept.end - piece.overlap)
            if data[: piece.overlap] != before:
                self._forget(piece.file)  # written anew in its place: from the start, with the next look
                return True
            new = data[piece.overlap :]
            file.seek(kept.end)
            file.write(new)
        if new:
            self._keep(piece.file, Kept(kept.inode, kept.start, kept.end + len(new)))
        return bool(new)

    def _keep(self, file: str, kept: Kept) -> None:
        self._kept[file] = kept
        self._is_saved = False

    def _forget(self, file: str) -> None:
        del self._kept[file]
        self._is_saved = False

    def _load(self) -> dict[str, Kept]:
        """What an earlier program left here, as far as it is still so."""
        try:
            kept = msgspec.json.decode((self.path / _STATE).read_bytes(), type=dict[str, Kept])
        except (OSError, ValueError):
            return {}
        return {file: each for file, each in kept.items() if self._is_here(file, each)}

    def _is_here(self, file: str, kept: Kept) -> bool:
        path = self.path / file
        try:
            size = path.stat().st_size
            if file in LOGS and size > kept.end:  # written, and not yet remembered
                os.truncate(path, kept.end)
        except OSError:
            return False
        return size >= kept.end if file in LOGS else True


def fetch(ask: Ask, pieces: Sequence[tuple[Copy, Piece]]) -> None:
    """Have what is missing brought, and put in. Raises OSError."""
    for start in range(0, len(pieces), PIPELINED):
        part = pieces[start : start + PIPELINED]
        answers = ask([piece.request(copy.run) for copy, piece in part])
        for (copy, piece), answer in zip(part, answers, strict=True):
            copy.take(piece, answer)
