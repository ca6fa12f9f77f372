"""The command line. Imports Textual only when a dashboard is to be shown: `--once` and `--json` are for scripts."""

import argparse
import contextlib
import gc
import io
import os
import resource
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rundir import layout
from rundir.layout import RunDir, RunNotFoundError
from trainwatch import keymap
from trainwatch.news import Means
from trainwatch.remote.address import is_address
from trainwatch.remote.run import RemoteRun
from trainwatch.theme import PALETTES

if TYPE_CHECKING:
    from trainwatch.feed import Feed
    from trainwatch.listing.survey import Survey

BAD_USAGE = 2
MOST_FILES = 8192
"""Open at once; the usual limit is 1024."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0, or 2 with one line on standard error."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["serve"]:
        return _serve(words[1:])
    arguments = _parser().parse_args(words)
    if arguments.print_keys:
        print(keymap.document(), end="")
        return 0
    references: list[str] = arguments.runs
    try:
        if not _is_for_scripts(arguments):
            keymap.use(keymap.read(arguments.keys))
        if len(references) > 1 or any(map(is_address, references)):
            return _show_places(references, arguments)
        return _show(find_target(*references, runs_dir=Path(arguments.runs_dir), for_scripts=_is_for_scripts(arguments),
                                 wants_run=bool(arguments.replay)), arguments)  # fmt: skip
    except (RunNotFoundError, keymap.KeymapError) as error:
        print(f"trainwatch: {error}", file=sys.stderr)
        return BAD_USAGE


def _serve(words: list[str]) -> int:
    from trainwatch.serve import command

    arguments = command.parser().parse_args(words)
    references: list[str] = arguments.runs
    try:
        keymap.read(arguments.keys)
        if len(references) < 2 and not any(map(is_address, references)):
            find_target(*references, runs_dir=Path(arguments.runs_dir))
        command.run(arguments)
    except (RunNotFoundError, keymap.KeymapError, command.ServeError) as error:
        print(f"trainwatch: {error}", file=sys.stderr)
        return BAD_USAGE
    return 0


def _is_for_scripts(arguments: argparse.Namespace) -> bool:
    """Whether one look is wanted, without a terminal."""
    return bool(arguments.json or arguments.once or arguments.svg)


def _show_places(references: list[str], arguments: argparse.Namespace) -> int:
    """Several directories, or other hosts. Raises RunNotFoundError."""
    from trainwatch.remote.visit import Visit  # what is here alone does without

    with Visit(references) as visit:
        for_scripts = _is_for_scripts(arguments)
        if sys.stdout.isatty() and not for_scripts:
            import trainwatch.app  # noqa: F401 - while ssh connects
        return _show(visit.run() if arguments.replay else visit.target(for_scripts=for_scripts), arguments)


def _show(target: "RunDir | Path | Survey", arguments: argparse.Namespace) -> int:
    gc.disable()  # what is imported and read from here on stays; collecting meanwhile costs a tenth of the time
    if _is_for_scripts(arguments):
        return _look_once(target, arguments)
    if not (sys.stdin.isatty() and sys.stdout.isatty()) and not os.environ.get("TEXTUAL_DRIVER"):
        print("trainwatch: not on a terminal; use --once or --json", file=sys.stderr)
        return BAD_USAGE
    _allow_files()
    feed = _begun(target)
    from trainwatch.app import TrainwatchApp

    app = TrainwatchApp(
        target,
        read_only=arguments.read_only,
        palette=arguments.theme,
        replay=arguments.replay,
        notify=Means(arguments.notify),
        feed=feed,
    )
    app.run()
    if not app.return_code and app.farewell and sys.stdout.isatty():
        print(app.farewell)
    return app.return_code or 0


def _begun(target: "RunDir | Path | Survey") -> "Feed | None":
    """The feed of a run that is here: a long log is opened while Textual is imported. None of all else."""
    if not isinstance(target, RunDir) or isinstance(target, RemoteRun):
        return None
    from trainwatch.bystander import Bystander
    from trainwatch.feed import Feed

    feed = Feed(target, bystander=Bystander(target))
    threading.Thread(target=feed.begin, name="begin", daemon=True).start()
    return feed


def _allow_files() -> None:
    """As many open files as the system lets a program ask for: of each long log every column is one or several."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trainwatch",
        description="Watch and steer a training run. Leaving it never touches the run.",
        epilog="trainwatch serve [DIR] shows the same in a browser: trainwatch serve --help",
    )
    parser.add_argument(
        "runs", nargs="*", metavar="RUN | DIR | ssh://HOST/PATH",
        help="a run's path or id (`latest` is one), or a directory of runs, which are listed, here or on another host; "
        "several directories, runs or logs make one table (default: the directory of --runs-dir; of that --once and "
        "--json take the latest run). To be read only: TensorBoard events, a CSV with a step column, a "
        "trainer_state.json",
    )  # fmt: skip
    parser.add_argument("--once", action="store_true", help="print the dashboard, or the table, as text and leave")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the state of a run as a JSON object, of a table as a list, and leave",
    )
    parser.add_argument("--svg", metavar="FILE", help="write the dashboard, or the table, as a picture and leave")
    parser.add_argument(
        "--size", type=_size, metavar="COLSxROWS",
        help="of --once and --svg (default: the terminal's, 120x40 without one; of a picture 160x48)",
    )  # fmt: skip
    parser.add_argument(
        "--replay", nargs="?", const=1, default=0, type=_speed, metavar="×N",
        help="play a run from its beginning, N times as fast as it was, up to 1000 (default: 1)",
    )  # fmt: skip
    parser.add_argument("--read-only", action="store_true", help="never write: no order, no tag, no note")
    parser.add_argument(
        "--notify", choices=list(Means), default=Means.NONE.value,
        help="how the terminal tells of a new alert and of the end of a run: its bell, a desktop notification by OSC 9 "
        "(default: none)",
    )  # fmt: skip
    parser.add_argument("--theme", choices=list(PALETTES), default="dark", help="colours (default: dark)")
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        help="which key does what (default: ~/.config/trainwatch/keys.toml, if any)",
    )
    parser.add_argument("--print-keys", action="store_true", help="print the keys as a TOML to begin with, and leave")
    parser.add_argument("--runs-dir", default="runs", metavar="D", help="where ids are looked for (default: runs)")
    return parser


def _speed(text: str) -> int:
    from trainwatch.travel.target import parse_speed

    try:
        return parse_speed(text)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def _size(text: str) -> tuple[int, int]:
    columns, _, rows = text.lower().partition("x")
    if not (columns.isdecimal() and rows.isdecimal()) or not (0 < int(columns) <= 1000 and 0 < int(rows) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is no size like 160x48, of at most 1000x1000 characters")
    return int(columns), int(rows)


def find_target(
    reference: str | None = None, *, runs_dir: Path, for_scripts: bool = False, wants_run: bool = False
) -> "RunDir | Path | Survey":
    """What is to be shown: a run, a directory of runs, or the logs of other programs below one. Raises
    RunNotFoundError.

    Scripts that name nothing are given the latest run.
    """
    if wants_run or (for_scripts and reference is None):
        return find(reference or layout.LATEST, runs_dir)
    directory = Path(reference) if reference is not None else runs_dir
    if directory.is_dir() and not layout.is_run(directory):
        if layout.find_runs(directory):
            return directory
        from trainwatch.listing.named import survey_of_logs  # a directory of runs does without

        return survey_of_logs(directory) or _foreign(directory)
    return find(reference or layout.LATEST, runs_dir)


def find(reference: str, runs_dir: Path) -> RunDir:
    """The run behind a path or an id; of a directory of runs its latest; what others wrote. Raises RunNotFoundError."""
    directory = Path(reference)
    if directory.is_dir() and not layout.is_run(directory):
        newest = layout.find_runs(directory)
        if (directory / layout.LATEST).is_dir():
            return layout.resolve(str(directory / layout.LATEST), directory)
        if newest:
            return RunDir(newest[0].path.resolve())
        return _foreign(directory)
    if directory.is_file():
        return _foreign(directory)
    return layout.resolve(reference, runs_dir)


def _foreign(path: Path) -> RunDir:
    """What another program has written, as if it were a run. Raises RunNotFoundError where nobody can read it."""
    from trainwatch.foreign.find import open_source
    from trainwatch.foreign.source import ForeignError

    try:
        open_source(path)
    except ForeignError as error:
        raise RunNotFoundError(str(error)) from None
    except OSError as error:
        raise RunNotFoundError(f"{path}: cannot be read: {error.strerror}") from None
    return RunDir(path.resolve())


def _look_once(target: "RunDir | Path | Survey", arguments: argparse.Namespace) -> int:
    try:
        text = _looked_at(target, arguments)
    except OSError as error:
        place = target.path if isinstance(target, RunDir) else "the runs"
        print(f"trainwatch: cannot read {place}: {error}", file=sys.stderr)
        return BAD_USAGE
    if arguments.svg and arguments.svg != "-":
        return _write(Path(arguments.svg), text)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without braille still gets its figures
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The reader (head, grep -q) left; nothing is wrong, and Python must not say so while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _write(path: Path, text: str) -> int:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"trainwatch: cannot write {path}: {error.strerror or error}", file=sys.stderr)
        return BAD_USAGE
    return 0


def _looked_at(target: "RunDir | Path | Survey", arguments: argparse.Namespace) -> str:
    """Raises OSError, and RunNotFoundError where a host cannot be reached."""
    terminal = shutil.get_terminal_size((120, 40))
    if arguments.svg:
        from trainwatch import theme

        theme.use(arguments.theme)
    columns, rows = arguments.size or ((160, 48) if arguments.svg else terminal)
    if isinstance(target, RunDir):
        from trainwatch import snapshot

        if arguments.json:
            return snapshot.as_json(target)
        return (snapshot.as_svg if arguments.svg else snapshot.as_text)(target, columns, rows)
    from trainwatch import overview

    survey = overview.survey_of(target)
    if arguments.json:
        return overview.as_json(survey)
    return overview.as_svg(survey, columns, rows) if arguments.svg else overview.as_text(survey, columns)


if __name__ == "__main__":
    sys.exit(main())
