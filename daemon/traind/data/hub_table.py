"""Texts with a label each from the Hugging Face hub, through `datasets`. Knows the errors of that, and how to put them.

`hub:NAME`, `hub:NAME:CONFIGURATION`, and either with `@SPLIT` behind; NAME may also be a directory of files.
"""

import hashlib
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from rundir.secret import redact
from traind.config import ConfigError
from traind.data.columns import Columns, choose_columns, told
from traind.data.table import Row, Table, as_row
from traind.data.textfile import Fault, collect

PREFIX = "hub:"
_EVAL_SPLITS = ("validation", "valid", "dev", "test")
"""Taken as the eval set, the first that is there, when none is named."""
_PATIENCE_S = 10.0


def read_hub(source: str, key: str, wanted: Columns) -> Table:
    """The rows of one split of a dataset, `train` unless named. Raises ConfigError naming `key`, and the cure."""
    name, split = _parts(source)
    splits = _load(source, key)
    split = split or "train"
    if split not in splits:
        raise ConfigError(f"{key}: {source}: has no split {split!r}; write hub:{name}@ and one of {', '.join(splits)}")
    data = splits[split]
    columns = choose_columns(data.column_names, source, key, wanted)
    names = getattr(data.features[columns[1]], "names", None)
    rows = collect(_rows(data, columns, names, source, split), key)
    digest = hashlib.sha256("\n".join(repr((row.text, row.label)) for row in rows).encode()).hexdigest()
    return Table(rows, digest, tuple(names) if names else None, told(columns))


def eval_source(source: str, key: str) -> str | None:
    """The same dataset's own eval split; None when it has none, or when `source` names the split it wants."""
    name, split = _parts(source)
    if split is not None:
        return None
    splits = _load(source, key)
    return next((f"{PREFIX}{name}@{candidate}" for candidate in _EVAL_SPLITS if candidate in splits), None)


def _parts(source: str) -> tuple[str, str | None]:
    name, _, split = source.removeprefix(PREFIX).partition("@")
    return name, split or None


def _load(source: str, key: str) -> Any:
    try:
        import datasets
    except ImportError:
        cure = "pip install datasets, or give a file"
        raise ConfigError(f"{key}: {source}: reading the hub needs the package datasets; {cure}") from None
    name, _, configuration = _parts(source)[0].partition(":")
    if not Path(name).is_dir() and not _hub_answers(datasets.config.HF_ENDPOINT):
        # Else the library asks six times, half a minute in all; so it looks into its cache at once.
        datasets.config.HF_HUB_OFFLINE = True
    datasets.disable_progress_bars()
    logging.getLogger("datasets").setLevel(logging.ERROR)
    try:
        return datasets.load_dataset(name, configuration or None)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise ConfigError(f"{key}: {source}: {_reason(error)}") from None


@cache
def _hub_answers(endpoint: str) -> bool:
    request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionError):
        return "the hub cannot be reached and the dataset is not cached; download it elsewhere and give its files"
    first = (redact(str(error), os.environ).strip() or type(error).__name__).splitlines()[0][:300]
    return f"cannot be loaded: {first}; correct the name (hub:NAME:CONFIGURATION@SPLIT), or give a file"


def _rows(
    data: Any, columns: tuple[str, str], names: list[str] | None, source: str, split: str
) -> Iterator[Row | Fault]:
    values = zip(data[columns[0]], data[columns[1]], strict=True)
    for number, (text, label) in enumerate(values, start=1):
        place = f"{source.partition('@')[0]}@{split} row {number}"
        if names and isinstance(label, int):
            if 0 <= label < len(names):
                yield as_row(text, names[label], place, columns)
            else:
                yield Fault(f"{place}: its label is {label}: this split is not labelled; name another with @SPLIT")
        else:
            yield as_row(text, label, place, columns)
