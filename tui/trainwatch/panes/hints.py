"""What the pointer is on, in words, for the footer. Pure."""

RUN = {
    "header": "state, progress, figures, what needs attention; ■ marked for comparison",
    "loss": "training loss and evaluations; wheel or drag: zoom, two clicks: alone",
    "grad_norm": "gradient norm before clipping; wheel or drag: zoom, two clicks: alone",
    "lr": "learning rate; wheel or drag: zoom, two clicks: alone",
    "memory": "memory that matters on this device; wheel or drag: zoom, two clicks: alone",
    "evals": "evaluations, the best marked; the wheel scrolls",
    "events": "what happened, newest last; the wheel scrolls",
    "orders": "orders and their outcomes; the wheel scrolls",
    "console": "what the libraries print; the wheel scrolls",
}
"""The panes of a run's page."""

COMPARE = {
    "header": "the runs, each in its colour, their states, and what they are at the crosshair",
    "chart": "the metric of all runs; wheel or drag: zoom",
    "metrics": "last and best of each run, ▲ the best of all; a click draws the metric",
    "differences": "keys that are not the same in all runs",
}
METRICS = {"header": "the run, its groups of metrics and how many each has, and how they are looked at"}
EVENTS = {
    "header": "the run, how much happened to it, and what the alert rules are doing where they run here",
    "events": "a click chooses, two clicks open an alert; the wheel moves the list",
    "detail": "the chosen event in full; the wheel scrolls",
}
EVIDENCE = {
    "header": "the alert, how grave it is, and whether it is over",
    "chart": "what its rule reads; wheel or drag: zoom",
    "seen": "what the rule saw, and what belongs to it; the wheel scrolls",
    "advice": "a click on a fix gives its order, once confirmed; the wheel scrolls",
}
MACHINE = {
    "header": "the run, and how far it is",
    "now": "the machine as it was last sampled; the wheel scrolls",
}
RUNS = {
    "header": "where the runs are, how many there are of each state, and what is filtered by",
    "detail": "the chosen run: what is wrong with it, what was said of it, its scores",
}
CHECKPOINTS = {
    "body": "the checkpoints, newest first; a click chooses one",
    "detail": "the chosen checkpoint: where it is, why it stays, what it measured",
}
CONSOLE = {"body": "what the libraries print; the wheel scrolls"}
CONFIG = {
    "body": "the configuration; a click folds a table, or chooses a key",
    "detail": "the chosen key in full",
}
EVALS = {
    "body": "all evaluations, newest first, ▲ the best value; a click chooses one",
    "detail": "the chosen evaluation: labels, confusions, texts; the wheel scrolls",
}
LOWEST = {
    "status": "how much was read, and what was last said",
    "keys": "keys of this screen; a click on one presses it",
}
"""The two lines that every screen has."""
CHART = "wheel or drag: zoom, two clicks: alone"
