"""Follows metrics.jsonl, short or long: what its lines come to, a bounded portion at a time.

A short log is read by the tail alone. A long one comes from its index as far as that goes, then from helpers where much
is left, then from the tail; and what is not in the index yet goes into it. Nothing depends on index or helpers: where
they fail, the log is read without.
"""

import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rundir.regular import open_regular
from rundir.series import STEP_FIELDS
from rundir.tail import Tail
from trainwatch.longlog.crew import Crew, HelperError, num_helpers
from trainwatch.longlog.index import Meta, fingerprint, open_index, place_of
from trainwatch.longlog.pieces import MetricsPiece, narrowed, pieces_of
from trainwatch.longlog.writer import IndexWriter, begun, continued
from trainwatch.mount import is_remote

LONG_BYTES = 48 * 1024 * 1024
"""A log from this size on has an index: reading it takes longer than a tenth of a second."""
CREW_BYTES = 96 * 1024 * 1024
"""What is left to read from which on helpers are worth their start, a fifth of a second."""
COMMIT_BYTES = 16 * 1024 * 1024
"""Of the log, between two entries into the index."""
MOST_OTHERS = 5000
"""Records of other kinds that are handed out a second time for the sake of memory: a store takes its time for each."""
WAIT_S = 0.1
"""For helpers, in one poll."""


@dataclass(frozen=True, slots=True)
class Portion:
    """What one poll found, in an order that holds."""

    pieces: tuple[MetricsPiece, ...]
    skipped: int
    """Lines that were no record."""
    at_end: bool
    restarted: bool
    """Whether the file was replaced or cut, and reading began anew."""
    share: float
    """Of the log that has been read."""


class MetricsReader:
    """Owns the position in one log. Polled by one thread at a time; to be closed, which may be while another polls."""

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        """`fields`: of a step record, those that become columns; what is in `metrics` always does."""
        self.tail = Tail(path)
        self._path = path
        self._fields = fields
        self._is_opened = False
        self._first: Portion | None = None
        """What the next poll finds, where that was found already."""
        self._crew: Crew | None = None
        self._reached = 0
        """Offset of what was handed out, while there is a crew."""
        self._meta: Meta | None = None
        """Of the index, while nobody has gone on with it."""
        self._writer: IndexWriter | None = None
        self._committed = 0
        self._is_first_reading = False
        """Whether all that was handed out is in memory, though there is an index by now that may be mapped instead."""
        self._lock = threading.Lock()

    def poll(self) -> Portion:
        """Raises OSError where the file cannot be read now; may be called again."""
        with self._lock:
            return self._poll()

    def _poll(self) -> Portion:
        if not self._is_opened:
            self._begin()
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._crew is not None and (portion := self._poll_crew(self._crew)) is not None:
            return portion
        if self._is_first_reading and self._committed and (portion := self._exchanged()) is not None:
            return portion
        return self._poll_tail()

    # --- the beginning ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Do what comes before the first portion while there is something else to do. What fails is done again."""
        with self._lock, contextlib.suppress(OSError):
            if not self._is_opened:
                self._begin()

    def _begin(self) -> None:
        self._first = self._open()
        self._is_opened = True
        if self._first is None and self._crew is not None:  # the first picture does not wait for what they find
            self._first = self._nothing_new()

    def _open(self) -> Portion | None:
        """Stand behind what the index has, with helpers at work on the rest where that is much."""
        try:
            fd = open_regular(self._path)
        except FileNotFoundError:
            return None
        try:
            size = os.fstat(fd).st_size
            if size < LONG_BYTES:
                return None
            portion = self._from_index(fd, size)
            self._engage(fd, size)
            return portion
        finally:
            os.close(fd)

    def _from_index(self, fd: int, size: int) -> Portion | None:
        place = place_of(self._path)
        found = open_index(place, fd, self._fields)
        if found is None:
            with contextlib.suppress(OSError):
                self._writer = begun(place, size)
            self._is_first_reading = self._writer is not None
            return None
        self._meta, self._committed = found.meta, found.meta.covered_bytes
        self.tail.stand(found.meta.covered_bytes, fd)
        share = found.meta.covered_bytes / size
        return Portion(found.pieces, found.meta.skipped, at_end=False, restarted=False, share=share)

    def _engage(self, fd: int, size: int) -> None:
        start, number = self.tail.offset, num_helpers()
        if size - start < CREW_BYTES or number < 2:
            return
        end = _last_line_end(fd, size)
        with contextlib.suppress(OSError, HelperError):
            self._crew = Crew(fd, start, end, number)
            self._reached = start
            self.tail.stand(end, fd)

    # --- helpers ----------------------------------------------------------------------------------------------------

    def _poll_crew(self, crew: Crew) -> Portion | None:
        """None where they are done, or have failed and the tail goes on where they were."""
        try:
            stretch = crew.poll(WAIT_S) if not crew.is_done else None
        except HelperError:
            self._dismiss()
            self.tail = Tail(self._path, offset=self._reached)
            return None
        if stretch is None:
            if not crew.is_done:
                return self._nothing_new()
            self._dismiss()
            return None
        self._reached = stretch.stop
        self._write(stretch.pieces, stretch.skipped)
        pieces = tuple(narrowed(piece, self._fields) for piece in stretch.pieces)
        return Portion(pieces, stretch.skipped, at_end=False, restarted=False, share=self._share(self._reached))

    def _nothing_new(self) -> Portion:
        return Portion((), 0, at_end=False, restarted=False, share=self._share(self._reached))

    def _dismiss(self) -> None:
        if self._crew is not None:
            self._crew.close()
            self._crew = None

    # --- the rest ---------------------------------------------------------------------------------------------------

    def _poll_tail(self) -> Portion:
        chunk = self.tail.poll()
        if chunk.restarted:
            self._forget_index()
        pieces, skipped = self._decoded(chunk.lines)
        if self._writer is not None and chunk.at_end:
            self._commit()
        share = 1.0 if chunk.at_end else self._share(self.tail.offset)
        return Portion(tuple(pieces), skipped, chunk.at_end, chunk.restarted, share)

    def _decoded(self, lines: bytes) -> tuple[list[MetricsPiece], int]:
        if not lines or not self._is_written:
            return pieces_of(lines, self._fields)
        pieces, skipped = pieces_of(lines, STEP_FIELDS)
        self._write(pieces, skipped)
        return [narrowed(piece, self._fields) for piece in pieces], skipped

    def _share(self, offset: int) -> float:
        try:
            return min(1.0, offset / max(self._path.stat().st_size, 1))
        except OSError:
            return 1.0

    # --- the index --------------------------------------------------------------------------------------------------

    @property
    def _is_written(self) -> bool:
        """Whether what is read goes into an index. One that was read is gone on with at the first line behind it."""
        if self._meta is not None:
            meta, self._meta = self._meta, None
            with contextlib.suppress(OSError):
                self._writer = continued(place_of(self._path), meta)
        return self._writer is not None

    def _write(self, pieces: Sequence[MetricsPiece], skipped: int) -> None:
        if self._is_written and self._writer is not None:
            try:
                self._writer.add(pieces, skipped)
            except OSError:  # a full disk, most likely
                self._forget_index()

    def _commit(self) -> None:
        """Enter what was added, once it is enough to be worth it."""
        writer, covered = self._writer, self.tail.offset
        if writer is None or covered - self._committed < COMMIT_BYTES:
            return
        try:
            fd = open_regular(self._path)
            try:
                # In this order: what is written anew from here on is not in the fingerprint.
                known = fingerprint(fd, covered)
                if self.tail.is_at(fd):
                    writer.commit(os.fstat(fd), covered, known)
                    self._committed = covered
            finally:
                os.close(fd)
        except OSError:
            self._forget_index()

    def _exchanged(self) -> Portion | None:
        """All that was read, once more, from the index that was made of it: mapped, it need not be in memory."""
        self._is_first_reading = False
        if self.tail.offset != self._committed:
            return None
        fd = open_regular(self._path)
        try:
            place = place_of(self._path)
            found = open_index(place, fd, self._fields) if not is_remote(place) else None
        finally:
            os.close(fd)
        if found is None or found.meta.num_others > MOST_OTHERS or found.meta.covered_bytes != self._committed:
            return None
        return Portion(found.pieces, 0, at_end=False, restarted=True, share=1.0)

    def _forget_index(self) -> None:
        """What was written is of another file, or cannot be gone on with."""
        self._meta = None
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.discard()
            self._writer = None

    def close(self) -> None:
        """Let helpers and index go. What is polled afterwards comes by the tail."""
        with self._lock:
            self._is_opened = True  # else a poll on its way would take all of it once more
            self._dismiss()
            self._meta = None
            if self._writer is not None:
                self._writer.close()
                self._writer = None


def _last_line_end(fd: int, size: int) -> int:
    """Offset behind the last newline; 0 where there is none near the end."""
    start = max(0, size - 1024 * 1024)
    end = os.pread(fd, size - start, start).rfind(b"\n") + 1
    return start + end if end else 0
