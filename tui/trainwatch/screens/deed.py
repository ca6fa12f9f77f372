"""What is done to a run from the table: remarks on it, and its removal. Asks first; what was written is read back."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from rundir.layout import RunDir
from rundir.remarks import MAX_NOTE_LENGTH, Remarks, parse_tags, read_remarks
from rundir.text import plain
from trainwatch.listing.entry import Entry
from trainwatch.listing.removal import StillAliveError, remove
from trainwatch.remote.run import RemoteRun, remark
from trainwatch.screens.ask import Confirm, Prompt
from trainwatch.screens.filter import FilterScreen


class DeedScreen(FilterScreen):
    """A screen from which runs are remarked on and removed."""

    def written(self, entry: Entry) -> None:
        """Something in a run's directory was changed: it is to be read anew."""
        raise NotImplementedError

    def ask_tags(self, entry: Entry) -> None:
        ask = Prompt("tags", "words apart by blanks; none: no tags", parse_tags, plain(" ".join(entry.remarks.tags)))
        self.app.push_screen(ask, partial(self._tags_typed, entry))

    def _tags_typed(self, entry: Entry, text: str | None) -> None:
        if text is not None:
            tags = parse_tags(text)
            self._remark(entry, lambda before: msgspec.structs.replace(before, tags=tags))

    def ask_note(self, entry: Entry) -> None:
        ask = Prompt(
            "note", "a note on this run, for those who look at it; none: no note", _note, plain(entry.remarks.note)
        )
        self.app.push_screen(ask, partial(self._note_typed, entry))

    def _note_typed(self, entry: Entry, text: str | None) -> None:
        if text is not None:
            note = text.strip()
            self._remark(entry, lambda before: msgspec.structs.replace(before, note=note))

    def archive(self, entries: Sequence[Entry]) -> None:
        """Put runs away; bring them back where all of them are."""
        archived = not all(entry.remarks.archived for entry in entries)
        for entry in entries:
            self._remark(entry, lambda before: msgspec.structs.replace(before, archived=archived))

    def _remark(self, entry: Entry, change: Callable[[Remarks], Remarks]) -> None:
        """Write a run's remarks, as they are now but for the change. It is shown once it is read back."""
        if isinstance(entry.run, RemoteRun):  # which may take a while
            self.run_worker(self._remark_far(entry, change), name="remark", exit_on_error=True)
        else:
            self._remarked(entry, _written(entry.run, change))

    async def _remark_far(self, entry: Entry, change: Callable[[Remarks], Remarks]) -> None:
        self._remarked(entry, await asyncio.to_thread(_written, entry.run, change))

    def _remarked(self, entry: Entry, fault: str) -> None:
        if fault:
            self.say(fault)
        self.written(entry)

    def ask_delete(self, entry: Entry) -> None:
        if isinstance(entry.run, RemoteRun):
            self.say(f"{entry.id} is on another host: runs are deleted where they are")
            return
        question = f"delete {plain(entry.id)}?  Its records and all its checkpoints go for good."
        self.app.push_screen(Confirm(question, "D"), partial(self._ask_again, entry))

    def _ask_again(self, entry: Entry, answer: bool | None) -> None:
        if not answer:
            self.say("not deleted")
            return
        directory = plain(entry.run.id)  # several runs may have the same name
        hint = f"type {directory} to delete it; esc: keep it"
        ask = Prompt(f"delete {plain(entry.id)} for good?", hint, partial(_is_typed, directory))
        self.app.push_screen(ask, partial(self._delete, entry))

    def _delete(self, entry: Entry, typed: str | None) -> None:
        if typed is None:
            self.say("not deleted")
            return
        self.run_worker(self._remove(entry), name="remove", exit_on_error=True)

    async def _remove(self, entry: Entry) -> None:
        try:
            await asyncio.to_thread(remove, entry.run)
        except StillAliveError as reason:
            self.say(f"{entry.id} was not deleted: {reason}")
        except OSError as error:
            self.say(f"{entry.id} was not deleted: {error}")
        else:
            self.say(f"{entry.id} was deleted")
        self.written(entry)


def _written(run: RunDir, change: Callable[[Remarks], Remarks]) -> str:
    """Why a run's remarks were not changed; empty where they were."""
    path = run.remarks_json
    try:
        remark(run, change(read_remarks(path)))
    except msgspec.DecodeError as error:
        return f"{path} is not readable, and left as it is: {error}"
    except OSError as error:
        return f"{path} was not written: {error.strerror or error}"
    return ""


def _note(text: str) -> None:
    if len(text) > MAX_NOTE_LENGTH:
        raise ValueError(f"a note has at most {MAX_NOTE_LENGTH} characters")


def _is_typed(directory: str, typed: str) -> None:
    if typed.strip() != directory:
        raise ValueError(f"that is not {directory}; esc: keep it")
