"""Every recipe to its end, with its result beside the baseline: the table of docs/recipes.md.

    python -m bench.recipes [NAME…] [--data DIR] [--pretrained DIR] [--runs-dir DIR]

Without `--data` the bundled samples. `--data` names a directory with `propaganda/`, `sst2/`, `banking77/` and
`tinyshakespeare/`, as docs/recipes.md says whence, and `--pretrained` an encoder's directory, for the recipes that
fine-tune one. Runs one after the other; minutes to an hour on a CPU. NAMEs choose among the rows.
"""

import argparse
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, LifecycleEvent, decode_lines
from rundir.status import read_status


@dataclass(frozen=True)
class Row:
    """One run: a configuration and what is changed in it."""

    name: str
    config: str
    settings: tuple[str, ...] = ()
    """`{data}` and `{pretrained}` are filled in; a row that names one is left out when it was not given."""

    def needs(self, what: str) -> bool:
        return any(f"{{{what}}}" in setting for setting in self.settings)


ROWS = (
    Row("ner", "configs/ner.toml"),
    Row("sentiment", "configs/sentiment.toml"),
    Row("legal-lora", "configs/legal-lora.toml"),
    Row("banking-lm-small", "configs/banking-lm-small.toml"),
    Row("char-lm", "configs/char-lm.toml"),
    Row("digits", "examples/digits/digits.toml"),
    Row(
        "propaganda",
        "configs/ner-distilbert.toml",
        (
            "model.pretrained={pretrained}", "data.train={data}/propaganda/train.json",
            "data.eval={data}/propaganda/dev.json", "data.max_length=128", "data.stride=32", "train.batch_size=8",
            "train.epochs=10", "train.lr=2e-4",
        ),
    ),
    Row(
        "sst2",
        "configs/sentiment-distilbert.toml",
        (
            "model.pretrained={pretrained}", "data.train={data}/sst2/train.tsv", "data.eval={data}/sst2/dev.tsv",
            "data.max_length=64",
        ),
    ),
    Row(
        "banking77",
        "configs/sentiment-distilbert.toml",
        (
            "model.pretrained={pretrained}", "data.train={data}/banking77/train.csv",
            "data.eval={data}/banking77/test.csv", "data.max_length=64", "train.lr=3e-4",
        ),
    ),
    Row(
        "banking77-lm",
        "configs/banking-lm-small.toml",
        ("data.train={data}/banking77/train.csv", "data.eval={data}/banking77/test.csv"),
    ),
    Row(
        # nanoGPT's small CPU setting: the same windows, sizes, steps, learning rates and decay.
        "tinyshakespeare",
        "configs/char-lm.toml",
        (
            "data.train={data}/tinyshakespeare/input.txt", "data.max_length=64", "data.stride=0", "model.dropout=0",
            "train.max_steps=2000", "train.batch_size=12", "train.lr=1e-3", "train.min_lr=1e-4",
            "train.warmup_steps=100", "train.betas=[0.9, 0.99]", "eval.every=250", "checkpoint.every=250",
        ),
    ),
)  # fmt: skip


def main() -> None:
    """Entry."""
    parser = argparse.ArgumentParser(prog="bench.recipes")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(row.name for row in ROWS))
    parser.add_argument("--data", type=Path, help="a directory with the real data")
    parser.add_argument("--pretrained", type=Path, help="the directory of a pretrained encoder")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for every row")
    args = parser.parse_args()
    unknown = set(args.names) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"no such recipe: {', '.join(sorted(unknown))}")
    given = {"data": args.data and args.data.resolve(), "pretrained": args.pretrained and args.pretrained.resolve()}
    print("| recipe | parameters | best | baseline | minutes | CPU minutes | verdict |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    for row in ROWS:
        missing = [what for what, place in given.items() if row.needs(what) and place is None]
        if (args.names and row.name not in args.names) or (not args.names and missing):
            continue
        if missing:
            parser.error(f"{row.name}: give --{' and --'.join(missing)}")
        settings = [setting.format(**given) for setting in row.settings] + args.set
        print(run(row, settings, args.runs_dir), flush=True)


def run(row: Row, settings: list[str], runs_dir: Path) -> str:
    """Train to the end; the row of the table."""
    overrides = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "traind.cli", "start", row.config, "--name", row.name, *overrides]
    began_s = _cpu_s()
    done = subprocess.run(
        [*command, "--runs-dir", str(runs_dir), "--foreground"], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        return f"| {row.name} | | | | | | exit code {done.returncode}: {' '.join(command)} |"
    directory = RunDir(Path(done.stdout.splitlines()[0]))
    status = read_status(directory.status_json)
    events = decode_lines(directory.events.read_bytes(), EVENT_DECODER).records
    said = {event.what: event for event in events if isinstance(event, LifecycleEvent)}
    detail = (said["report"].detail or {}) if "report" in said else {}
    metric = str(detail.get("metric"))
    best, baseline = detail.get("value"), detail.get("baseline", {}).get(metric)
    parameters = (said["model"].detail or {}).get("num_parameters", 0)
    minutes = "" if status is None else f"{status.active_s / 60:.1f}"
    return (
        f"| {row.name} | {parameters:,} | {metric} {best:.4g} | {'' if baseline is None else f'{baseline:.4g}'} | "
        f"{minutes} | {(_cpu_s() - began_s) / 60:.1f} | {said['report'].message if 'report' in said else ''} |"
    )


def _cpu_s() -> float:
    """CPU seconds of all processes that were waited for: less disturbed by a busy machine than a clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
