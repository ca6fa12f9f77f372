"""The command line. Imports Textual only when a dashboard is to be shown: `--once` and `--json` are for scripts."""

import argparse
import gc
import io
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rundir import layout
from rundir.layout import RunDir, RunNotFoundError
from trainwatch import keymap
from trainwatch.remote.address import is_address
from trainwatch.theme import PALETTES

if TYPE_CHECKING:
    from trainwatch.listing.survey import Survey

BAD_USAGE = 2


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
        if not (arguments.json or arguments.once):
            keymap.use(keymap.read(arguments.keys))
        if len(references) > 1 or any(map(is_address, references)):
            return _show_places(references, arguments)
        reference = references[0] if references else None
        wants_run = arguments.json or arguments.once
        return _show(find_target(reference, Path(arguments.runs_dir), wants_run=wants_run), arguments)
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
            find_target(references[0] if references else None, Path(arguments.runs_dir), wants_run=False)
        command.run(arguments)
    except (RunNotFoundError, keymap.KeymapError, command.ServeError) as error:
        print(f"trainwatch: {error}", file=sys.stderr)
        return BAD_USAGE
    return 0


def _show_places(references: list[str], arguments: argparse.Namespace) -> int:
    """Several directories, or other hosts. Raises RunNotFoundError."""
    from trainwatch.remote.visit import Visit  # what is here alone does without

    with Visit(references) as visit:
        if sys.stdout.isatty() and not (arguments.json or arguments.once):
            import trainwatch.app  # noqa: F401 - while ssh connects
        return _show(visit.run() if arguments.json or arguments.once else visit.target(), arguments)


def _show(target: "RunDir | Path | Survey", arguments: argparse.Namespace) -> int:
    gc.disable()  # what is imported and read from here on stays; collecting meanwhile costs a tenth of the time
    if isinstance(target, RunDir) and (arguments.json or arguments.once):
        return _print_once(target, as_json=arguments.json)
    if not (sys.stdin.isatty() and sys.stdout.isatty()) and not os.environ.get("TEXTUAL_DRIVER"):
        print("trainwatch: not on a terminal; use --once or --json", file=sys.stderr)
        return BAD_USAGE
    from trainwatch.app import TrainwatchApp

    app = TrainwatchApp(target, read_only=arguments.read_only, palette=arguments.theme)
    app.run()
    if not app.return_code and app.farewell and sys.stdout.isatty():
        print(app.farewell)
    return app.return_code or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trainwatch",
        description="Watch and steer a training run. Leaving it never touches the run.",
        epilog="trainwatch serve [DIR] shows the same in a browser: trainwatch serve --help",
    )
    parser.add_argument(
        "runs", nargs="*", metavar="RUN | DIR | ssh://HOST/PATH",
        help="a run's path or id (`latest` is one), or a directory of runs, which are listed, here or on another host; "
        "several directories make one table; --once and --json take the latest run (default: the directory of "
        "--runs-dir). To be read only: TensorBoard events, a CSV with a step column, a trainer_state.json",
    )  # fmt: skip
    parser.add_argument("--once", action="store_true", help="print the dashboard as text and leave")
    parser.add_argument("--json", action="store_true", help="print the state as one JSON object and leave")
    parser.add_argument("--read-only", action="store_true", help="never write: no order, no tag, no note")
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


def find_target(reference: str | None, runs_dir: Path, *, wants_run: bool) -> RunDir | Path:
    """What is to be shown: a run, or a directory of runs. Raises RunNotFoundError."""
    if wants_run:
        return find(reference or layout.LATEST, runs_dir)
    directory = Path(reference) if reference is not None else runs_dir
    if directory.is_dir() and not layout.is_run(directory):
        if layout.find_runs(directory):
            return directory
        return _foreign(directory)
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


def _print_once(run: RunDir, *, as_json: bool) -> int:
    from trainwatch import snapshot

    try:
        size = shutil.get_terminal_size((120, 40))
        text = snapshot.as_json(run) if as_json else snapshot.as_text(run, size.columns, size.lines)
    except OSError as error:
        print(f"trainwatch: cannot read {run.path}: {error}", file=sys.stderr)
        return BAD_USAGE
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without braille still gets its figures
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The reader (head, grep -q) left; nothing is wrong, and Python must not say so while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
