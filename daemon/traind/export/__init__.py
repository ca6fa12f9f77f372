"""`traind export`: a recorded run as tables, event files, a page or a log. One module a format; none knows torch."""

FORMATS = {
    "csv": "steps.csv, evals.csv, epochs.csv, … in a directory",
    "parquet": "the same as Parquet",
    "tensorboard": "a directory that `tensorboard --logdir` opens",
    "html": "one page with curves, that needs no network",
    "markdown": "the training log",
}
"""What `--to` takes, and what comes of it."""
