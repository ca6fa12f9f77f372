"""From what was typed to what is shown, where other hosts are among it. Owns the mirrors while they are looked at."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rundir.layout import RunDir, RunNotFoundError
from rundir.text import plain
from trainwatch.foreign.find import open_source
from trainwatch.foreign.source import ForeignError
from trainwatch.listing.named import is_one, sources_of
from trainwatch.listing.scan import Scanner
from trainwatch.listing.survey import Source, Survey
from trainwatch.remote.address import AddressError, is_address, parse_address
from trainwatch.remote.line import CONNECT_S
from trainwatch.remote.mirror import Mirror

_FIRST_LOOK_S = 15.0
_ASKS = ("Permission denied", "Host key verification failed", "password")


class Visit:
    """All the places that were named. Leaving it ends every ssh that it began."""

    def __init__(self, references: Sequence[str], cache: Path | None = None) -> None:
        """Connect to all of them at once, and wait for each. Raises RunNotFoundError."""
        self._references = references
        self._mirrors: dict[str, Mirror] = {}
        try:
            for reference in dict.fromkeys(filter(is_address, references)):
                self._mirrors[reference] = Mirror(parse_address(reference), cache)
        except AddressError as error:
            raise RunNotFoundError(str(error)) from error
        except OSError as error:
            raise RunNotFoundError(f"no place for copies of what is elsewhere: {error}") from error
        for mirror in self._mirrors.values():
            mirror.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for mirror in self._mirrors.values():
            mirror.close()

    def target(self, *, for_scripts: bool = False) -> RunDir | Survey:
        """What is to be shown: scripts wait for all records of a run. Raises RunNotFoundError."""
        if len(self._references) == 1:
            mirror = self._reached(self._references[0])
            if not mirror.run_name:
                return self._survey({})
            return self.run() if for_scripts else _opened(mirror, mirror.run_name)
        shared = Counter(mirror.address.host for mirror in self._mirrors.values())
        names = {ref: each.address.host for ref, each in self._mirrors.items() if shared[each.address.host] == 1}
        return self._survey({reference: names.get(reference, reference) for reference in self._references})

    def run(self) -> RunDir:
        """One run with all its records: the one that is named, or the latest. Raises RunNotFoundError."""
        if len(self._references) > 1:
            raise RunNotFoundError("one run is played: name one place")
        mirror = self._reached(self._references[0])
        name = mirror.run_name or mirror.newest
        if not name:
            raise RunNotFoundError(f"no runs in {mirror.url}")
        run = _opened(mirror, name)
        while not mirror.wait_for_records(name, 1.0):
            if not mirror.contact.is_up:
                raise RunNotFoundError(_unreached(mirror))
        return run

    def _reached(self, reference: str) -> Mirror:
        mirror = self._mirrors[reference]
        if not mirror.wait_for_contact(CONNECT_S).is_up:
            raise RunNotFoundError(_unreached(mirror))
        return mirror

    def _survey(self, names: dict[str, str]) -> Survey:
        """`names`: what tells the places apart; empty where there is one."""
        references = list(dict.fromkeys(self._references))
        alone = [Path(each) for each in references if each not in self._mirrors and is_one(Path(each))]
        places = [each for each in references if Path(each) not in alone]
        return Survey([*(self._source(each, names.get(each, "")) for each in places), *sources_of(alone)])

    def _source(self, reference: str, place: str) -> Source:
        mirror = self._mirrors.get(reference)
        if mirror is None:
            directory = Path(reference)
            if directory.is_file():
                raise RunNotFoundError(_unreadable(directory))
            if not directory.is_dir():
                raise RunNotFoundError(f"no directory {reference}")
            return Source(Scanner(directory, place), reference)
        mirror.wait_for_contact(CONNECT_S)
        if mirror.run_name:
            raise RunNotFoundError(
                f"{reference} is one run: among several places those on other hosts must be directories of runs"
            )
        mirror.wants_table = True
        return Source(Scanner(mirror.table_dir, place, mirror.run_at), reference, mirror)


def _unreadable(path: Path) -> str:
    try:
        open_source(path)
    except (ForeignError, OSError) as error:
        return str(error)
    return f"{path}: neither a run nor a log"


def _opened(mirror: Mirror, name: str) -> RunDir:
    """Its small files are here when this returns; the records go on coming."""
    run = mirror.open(name)
    mirror.wait_for_records(name, _FIRST_LOOK_S, all_of_them=False)
    return run


def _unreached(mirror: Mirror) -> str:
    why = mirror.contact.why
    hint = f"; `ssh {mirror.address.host} true` must work without a question" if any(w in why for w in _ASKS) else ""
    return f"{mirror.url}: {plain(why)}{hint}"
