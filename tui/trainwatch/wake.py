"""Waking when a run's files change: one non-recursive watch on its directory, or nothing where that is not possible."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from watchdog.events import (
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer


class Watch:
    """Calls back from its own thread at a change. Where the system gives no events `works` is False: use a timer."""

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        self._observer = Observer()
        self.works = False
        try:
            # Opening and closing are not watched for: our own reading would wake us.
            self._observer.schedule(
                _Handler(changed), str(path if path.is_dir() else path.parent), recursive=False,
                event_filter=[FileCreatedEvent, FileModifiedEvent, FileMovedEvent],
            )  # fmt: skip
            self._observer.start()
            self.works = True
        except OSError:  # EMFILE, ENOSPC: the user's inotify instances or watches are used up
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.works:
            self._observer.stop()
            self._observer.join(1.0)


class _Handler(FileSystemEventHandler):
    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def on_any_event(self, _event: FileSystemEvent) -> None:
        self._changed()


def set_soon(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """From the watch's thread; the loop may be gone when the last event comes."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(event.set)
