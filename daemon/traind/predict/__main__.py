"""The process behind `traind predict`: finds the checkpoint, loads it, answers, says how fast it was.

torch is imported once everything that can be wrong without it has been looked at.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rundir.layout import RunNotFoundError
from rundir.records import encode
from rundir.text import plain
from traind import exit_code
from traind.config import ConfigError
from traind.predict import source, texts
from traind.predict.arguments import DESCRIPTION, add_arguments
from traind.predict.result import Prediction
from traind.predict.show import render
from traind.predict.tally import Tally

FALLBACK_WIDTH = 100
"""Columns where there is no terminal."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of `python -m traind.predict`. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="traind predict", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs live (default: runs)")
    add_arguments(parser)
    args = parser.parse_intermixed_args(argv)  # TEXT may stand after an option
    try:
        return _predict(args)
    except (ConfigError, RunNotFoundError) as error:
        _say(str(error))
        return exit_code.MISTAKE
    except BrokenPipeError:  # `traind predict … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_code.OK
    except KeyboardInterrupt:
        return exit_code.INTERRUPTED


def _say(text: str) -> None:
    print(f"traind: {plain(text)}", file=sys.stderr, flush=True)


def _predict(args: argparse.Namespace) -> int:
    found = source.find(args.source, args.runs_dir)
    wanted = texts.find(args.texts, args.file, args.batch_size)
    if sys.stderr.isatty():  # seconds, of which torch takes most
        print(f"… loading the model of {plain(args.source)}", file=sys.stderr, flush=True)
    from traind.device import is_out_of_memory
    from traind.predict.choose import choose
    from traind.predict.model import load
    from traind.predict.predictor import predictor

    chosen = choose(found, args.checkpoint)
    ready, notes = load(chosen, args.device, args.base)
    answering, more_notes = predictor(ready, chosen, args)
    for note in [*chosen.notes, *notes, *more_notes]:
        _say(f"note: {note}")
    _say(f"{chosen.name}: {ready.kind}, {ready.placement.name}")
    tally = Tally()
    for batch in wanted.batches:
        began = time.perf_counter()
        try:
            predictions = answering.predict(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise ConfigError(f"out of memory: lower --batch-size {args.batch_size}, or take --device cpu") from None
        tally.spent_s += time.perf_counter() - began
        for prediction in predictions:
            tally.add(prediction)
            _show(prediction, tally.count, as_json=args.json)
        sys.stdout.flush()
    for line in tally.lines():
        _say(line)
    return exit_code.OK


def _show(prediction: Prediction, index: int, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(encode(prediction).decode())
    else:
        width = shutil.get_terminal_size((FALLBACK_WIDTH, 24)).columns
        print("\n".join(render(prediction, index, width)))


if __name__ == "__main__":
    sys.exit(main())
