"""Everything a person can do here, as one table: it feeds the bindings, the key line, the help and the palette.

Pure: it decides what is allowed and says why not; sending is the screen's business.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from rundir.control import Verb
from rundir.status import Liveness, State


class Ask(StrEnum):
    """What is asked before an order goes out."""

    NOTHING = "nothing"
    CONFIRM = "confirm"
    LR = "lr"
    TEXT = "text"


ACTIVE = frozenset({State.STARTING, State.RUNNING, State.PAUSED, State.PARKED, State.RESTARTING})


@dataclass(frozen=True, slots=True)
class Action:
    """One row. A verb makes it an order, allowed in some states; without one it is the viewer's own."""

    name: str
    key: str
    """Empty: in the palette only."""
    label: str
    help: str
    verb: Verb | None = None
    states: frozenset[State] = frozenset()
    ask: Ask = Ask.NOTHING
    writes: bool = False
    """Whether it writes without being an order: `--read-only` forbids it."""


THEME = Action("theme", "T", "theme", "dark, light, and both for any kind of colour vision")
HELP = Action("help", "question_mark", "help", "what every key does")


def quit_row(text: str) -> Action:
    return Action("quit", "q", "quit", text)


ACTIONS = (
    Action(
        "pause", "p", "pause", "hold at the next safe point; memory is kept", Verb.PAUSE,
        frozenset({State.STARTING, State.RUNNING, State.RESTARTING}),
    ),
    Action(
        "resume", "p", "resume", "go on after a pause or a park", Verb.RESUME, frozenset({State.PAUSED, State.PARKED})
    ),
    Action(
        "park", "k", "park", "checkpoint; the trainer leaves and frees its memory", Verb.PARK,
        frozenset({State.STARTING, State.RUNNING, State.PAUSED, State.RESTARTING}), Ask.CONFIRM,
    ),
    Action(
        "checkpoint", "c", "checkpoint", "write a checkpoint now; it is kept", Verb.CHECKPOINT,
        frozenset({State.RUNNING, State.PAUSED}),
    ),
    Action("eval", "e", "eval", "evaluate now", Verb.EVAL, frozenset({State.RUNNING, State.PAUSED})),
    Action(
        "set-lr", "l", "set lr", "set the peak learning rate; the schedule stays", Verb.SET,
        frozenset({State.RUNNING, State.PAUSED, State.PARKED}), Ask.LR,
    ),
    Action("note", "n", "note", "write a remark into the run's events", Verb.NOTE, ACTIVE, Ask.TEXT),
    Action("stop", "s", "stop", "checkpoint, then end the run", Verb.STOP, ACTIVE, Ask.CONFIRM),
    Action(
        "rollback", "", "roll back", "go back to the newest checkpoint; what came after it is put aside", Verb.ROLLBACK,
        ACTIVE, Ask.CONFIRM,
    ),
    Action(
        "kill", "", "kill", "end the run at once, without a checkpoint", Verb.KILL,
        ACTIVE | {State.STOPPING}, Ask.CONFIRM,
    ),
    Action("alert", "a", "alert", "the evidence of the gravest alert: what was seen, why that may be, what to do"),
    Action("grid", "g", "metrics", "every metric that was recorded, each in a chart"),
    Action("alone", "enter", "", "the chosen pane's page; of the charts the loss alone; two clicks do the same"),
    Action("checkpoints", "6", "", "checkpoints: what each measured, why it stays, if it is whole; roll back, delete"),
    Action("config", "7", "", "the configuration: search it, what is not the default, what differs from another run"),
    Action("system", "8", "", "the machine: GPUs, who is on them, host, and their past"),
    Action("zoom", "z", "zoom", "show the chosen pane alone, or all again"),
    Action("next", "tab", "pane", "choose the next pane; 1 to 5 choose one"),
    THEME,
    Action("back", "escape", "back", "end crosshair and zoom; then to the table of the runs in this directory"),
    HELP,
    quit_row("leave the dashboard; the run goes on"),
)  # fmt: skip

KEEP = Action("keep", "K", "keep", "keep the chosen one for good, or no more", Verb.KEEP, ACTIVE)
DISCARD = Action(
    "discard", "D", "delete", "delete the chosen one for good; never the last, nor what the run needs; asked",
    Verb.DISCARD, ACTIVE, Ask.CONFIRM,
)  # fmt: skip
"""These two are of one checkpoint: they are in the table of their page."""

TRAVEL_ACTIONS = (
    Action(
        "earlier", "left_square_bracket", "earlier", "the run as it stood before: all panes show what was known then"
    ),
    Action("later", "right_square_bracket", "later", "forward again; beyond the last record is now"),
    Action("far-earlier", "left_curly_bracket", "", "ten times as far back"),
    Action("far-later", "right_curly_bracket", "", "ten times as far forward"),
    Action("go-to", "at", "go to", "a step or a time in the past"),
    Action("play", "space", "play", "go on from there as it went, or hold"),
    Action("slower", "less_than_sign", "", "play slower"),
    Action("faster", "greater_than_sign", "speed", "play faster: up to a thousand times as fast as it was"),
    Action("now", "end", "now", "back from the past; in a pane that scrolls to its end"),
)
"""Going back in a run. Nothing is ordered there."""

PAGE_ACTIONS = (*ACTIONS, *TRAVEL_ACTIONS)
"""What can be done on a run's page, but for looks at its charts."""

CHART_ACTIONS = (
    Action("zoom-in", "plus", "zoom", "see less of the axis, larger; the wheel does so around the pointer"),
    Action("zoom-out", "minus", "", "see more of it"),
    Action("pan-right", "right", "pan", "move along the axis"),
    Action("pan-left", "left", "", "move back along the axis"),
    Action("fit", "0", "fit", "see the whole run"),
    Action("follow", "f", "follow", "stay at the newest records; once more: let go"),
    Action("log", "y", "log y", "a logarithmic value axis"),
    Action("outliers", "o", "outliers", "a value axis that outliers do not ruin, or one that holds them"),
    Action("smoother", "m", "smooth", "over more; what was measured stays, faint; beyond the most: none"),
    Action("rougher", "M", "", "smooth over less"),
    Action("x-axis", "x", "horizontal", "step, epoch, tokens, time"),
    Action("cursor-right", "full_stop", "crosshair", "read all charts at one place, or under the pointer"),
    Action("cursor-left", "comma", "", "the crosshair back"),
)
"""What can be done to charts: `lens.after` does it."""

FRONT_CHART_ACTIONS = tuple(action for action in CHART_ACTIONS if action.name != "x-axis")
"""The same on a run's page, which reads the columns of one axis alone."""

COMPARE_ACTIONS = (
    Action("metric-down", "down", "metric", "draw the next metric; a click on one draws it"),
    Action("metric-up", "up", "", "draw the metric before"),
    Action("page-down", "pagedown", "", "ten lines further"),
    Action("page-up", "pageup", "", "ten lines back"),
    Action("pane", "tab", "pane", "metrics or differences: which a small screen shows, and which of them is moved in"),
    Action("runs-right", "greater_than_sign", "runs", "further runs, where the tables have no room for all of them"),
    Action("runs-left", "less_than_sign", "", "the runs before"),
    *CHART_ACTIONS,
    Action("zoom", "z", "alone", "the chart alone, or all again"),
    THEME,
    Action("back", "escape", "back", "end the crosshair, then back to the table"),
    HELP,
    quit_row("leave; the runs go on"),
)
"""What can be done where runs are compared."""

GRID_ACTIONS = (
    Action("open", "enter", "alone", "the chosen chart alone, or all again"),
    Action("next", "tab", "chart", "choose the next chart; a click does so, a second one shows it alone"),
    Action("previous", "shift+tab", "", "choose the chart before"),
    Action("page-down", "pagedown", "page", "the next charts"),
    Action("page-up", "pageup", "", "the charts before"),
    Action("filter", "slash", "filter", "words that the names hold, -word: do not; a group by its prefix: eval/"),
    *CHART_ACTIONS,
    Action("events", "v", "events", "◆ checkpoints ▲ alerts ✎ notes ▸ orders at the foot of the charts, or none"),
    *TRAVEL_ACTIONS,
    THEME,
    Action("back", "escape", "back", "end crosshair, single chart, filter, the past; then back to the run"),
    HELP,
    quit_row("leave; the run goes on"),
)
"""What can be done where all metrics of a run are drawn."""

EVENTS_ACTIONS = (
    Action("open", "enter", "evidence", "all about the chosen alert: what was seen, why, what to do; two clicks"),
    Action("down", "down", "choose", "the next line; a click chooses one, the wheel moves the list"),
    Action("up", "up", "", "the line before"),
    Action("page-down", "pagedown", "", "a page down"),
    Action("page-up", "pageup", "", "a page up"),
    Action("first", "home", "newest", "to the newest, and stay there"),
    Action("last", "end", "oldest", "to the oldest"),
    Action("rules", "r", "rules", "the alert rules that run here: what each has found, or lacks"),
    Action("filter", "slash", "filter", "words: alert critical checkpoint order note lifecycle …; -word: without"),
    THEME,
    Action("back", "escape", "back", "end the filter; then back to the run"),
    HELP,
    quit_row("leave; the run goes on"),
)
"""What can be done where the events of a run are listed."""

MOST_FIXES = 6
"""Of one alert, that have a key."""
EVIDENCE_ACTIONS = (
    Action(
        "apply",
        "enter",
        "apply",
        "give the order of the first fix that is one, shown in full, asked first; or copy what begins anew",
    ),
    *(
        Action(
            f"fix-{n}", str(n), "", f"give the order of fix {n}; where none does it: copy the command that begins anew"
        )
        for n in range(1, MOST_FIXES + 1)
    ),
    Action("down", "down", "scroll", "the text; PgUp, PgDn, the wheel"),
    Action("up", "up", "", "the text back"),
    Action("page-down", "pagedown", "", "a page down"),
    Action("page-up", "pageup", "", "a page up"),
    *(action for action in CHART_ACTIONS if action.name not in ("x-axis", "follow")),
    THEME,
    Action("back", "escape", "back", "end the crosshair; then back to the events"),
    HELP,
    quit_row("leave; the run goes on"),
)  # fmt: skip
"""What can be done where one alert is shown."""

SYSTEM_ACTIONS = (
    Action("next-gpu", "tab", "gpu", "the charts of the next GPU, where there are several"),
    Action("page-down", "pagedown", "charts", "the next charts"),
    Action("page-up", "pageup", "", "the charts before"),
    Action("down", "down", "scroll", "the text; the wheel does so"),
    Action("up", "up", "", "the text back"),
    *(action for action in CHART_ACTIONS if action.name != "x-axis"),
    THEME,
    Action("back", "escape", "back", "end crosshair and zoom; then back to the run"),
    HELP,
    quit_row("leave; the run goes on"),
)
"""What can be done where the machine of a run is shown."""

RUNS_ACTIONS = (
    Action("open", "enter", "open", "the page of the chosen run"),
    Action(
        "mark",
        "space",
        "mark",
        "mark for comparison, or no more, and go on to the next; a click left of its state marks, and stays",
    ),
    Action("compare", "c", "compare", "the marked runs in one picture"),
    Action(
        "filter", "slash", "filter", "state:running  task:ner  cfg.lr>=1e-4  best.f1>0.8  -note:debug  tag:x  words"
    ),
    Action("sort-right", "right", "sort", "by the next column; a click on a title does the same"),
    Action("sort-left", "left", "", "by the column before"),
    Action("reverse", "r", "reverse", "the order"),
    Action("tags", "t", "tags", "give the chosen run tags", writes=True),
    Action("note", "n", "note", "write a note on the chosen run", writes=True),
    Action(
        "archive", "a", "archive", "put the marked runs away, or else the chosen one; again: bring back", writes=True
    ),
    Action("archived", "A", "archived", "list those that were put away, or no more"),
    Action("delete", "D", "delete", "remove the chosen run and its checkpoints for good; asked twice", writes=True),
    THEME,
    Action("clear", "escape", "", "end the filter, then the marks"),
    HELP,
    quit_row("leave; the runs go on"),
)
"""What can be done in the table of runs."""

EVERYWHERE_ACTIONS = (
    Action("export", "E", "export", "what is seen as a file: its data as CSV, the picture as SVG, PNG or HTML"),
    Action("copy", "Y", "copy", "to the clipboard: what the crosshair reads, else the path of the run"),
)
"""What can be done on every screen."""
COPIED = {
    "runs": "to the clipboard: the path of the chosen run",
    "compare": "to the clipboard: what the crosshair reads in each run, else the paths of the runs",
    "events": "to the clipboard: the path of the run",
    "evidence": "to the clipboard: the path of the run",
    "system": "to the clipboard: the path of the run",
    "checkpoints": "to the clipboard: the path of the chosen checkpoint",
    "console": "to the clipboard: the path of the run",
    "config": "to the clipboard: the chosen key as --set takes it, else the path of the run",
    "evals": "to the clipboard: the path of the run",
}
"""What `copy` takes on a screen where that is something else."""

PANES = {1: "charts", 2: "evals", 3: "events", 4: "orders", 5: "console"}
"""The panes that a number key chooses."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides whether an order makes sense now."""

    reference: str
    """The run, as the command line understands it."""
    state: State | None
    verdict: Liveness
    read_only: bool = False
    pending: frozenset[str] = frozenset()
    """Verbs that wait for their outcome."""
    by_script: bool = False
    """A script writes the run for itself: no command goes on with it."""
    takes: frozenset[str] | None = None
    """What a script's run has said it takes; None: it has not said."""
    host: str = ""
    """Where the run is, if not here: the reference is its path there."""
    is_past: bool = False
    """Whether the run is looked at as it stood before."""


def refusal(action: Action, now: Situation) -> str:
    """Why an action is not possible now; empty when it is."""
    if action.verb is None:
        return ""
    if now.is_past:
        return f"{action.label} is not possible in the past: come back to now first"
    if now.read_only:
        return "read-only: nothing is written to this run"
    if now.state is None:
        return "the run has no status yet"
    if unattended := attention(now):
        return unattended
    if not is_taken(action, now):
        if action.verb in _NOT_A_SCRIPTS:
            return f"a script's run knows no {action.verb}: pause or stop it"
        return f"its script takes no order to {action.label}"
    if now.state not in action.states:
        return f"{action.label} is not possible while the run is {now.state}"
    if action.verb in now.pending and action.verb is not Verb.NOTE:
        return f"{action.label} is pending already"
    return ""


_NOT_A_SCRIPTS = frozenset({Verb.PARK, Verb.ROLLBACK, Verb.KILL, Verb.KEEP, Verb.DISCARD})
_MUST_BE_TAKEN = {Verb.CHECKPOINT: "checkpoint", Verb.EVAL: "eval", Verb.SET: "lr"}
"""What a script has to say that it takes."""


def is_taken(action: Action, now: Situation) -> bool:
    """Whether the run ever takes such an order: a script's takes but those that it has said it does."""
    if not now.by_script or action.verb is None:
        return True
    if action.verb in _NOT_A_SCRIPTS:
        return False
    word = _MUST_BE_TAKEN.get(action.verb)
    return word is None or now.takes is None or word in now.takes


def order_refusal(verb: Verb, args: Collection[str], now: Situation, words: str = "") -> str:
    """Why an order with arguments of these names is not possible now; empty when it is. `words` name it."""
    action = next(action for action in (*ACTIONS, KEEP, DISCARD) if action.verb is verb)
    action = replace(action, label=words or action.label)
    if verb is not Verb.SET or not now.by_script or now.takes is None:
        return refusal(action, now)
    untaken = sorted({*args} - now.takes)
    reason = refusal(action, replace(now, takes=None))
    return reason or (f"its script takes no order to set {', '.join(untaken)}" if untaken else "")


def table_refusal(
    action: Action, *, read_only: bool, has_run: bool, may_live: bool, num_marked: int, is_foreign: bool = False
) -> str:
    """Why a row of RUNS_ACTIONS is not possible now; empty when it is. The rest is what is chosen and marked."""
    if action.writes and read_only:
        return f"read-only: {action.label} would write"
    if (action.writes or action.name in ("open", "mark")) and not has_run:
        return "no run is chosen"
    if action.writes and is_foreign:
        return f"another program wrote this: {action.label} is for runs of traind and of rundir"
    if action.name == "delete" and may_live:
        return "delete is not possible while the run lives, or may do so on another machine: stop it first"
    if action.name == "compare" and not num_marked:
        return "mark runs first"
    return ""


def attention(now: Situation) -> str:
    """What to do outside the dashboard when nobody would answer an order; empty when a supervisor listens."""
    advice = _advice(now)
    return f"on {now.host}: {advice}" if advice and now.host else advice


def _advice(now: Situation) -> str:
    if now.by_script and now.verdict in (Liveness.UNATTENDED, Liveness.DEAD, Liveness.REBOOTED, Liveness.ENDED):
        was = f"{now.state}" if now.verdict is Liveness.ENDED else f"{now.verdict} (was {now.state})"
        return f"{was}: its script does not run now; only that can go on with it"
    match now.verdict:
        case Liveness.UNATTENDED:
            return f"{now.state or 'parked'}, unattended: go on with  traind resume {now.reference}"
        case Liveness.DEAD:
            return f"dead (was {now.state}): go on with  traind resume {now.reference}"
        case Liveness.REBOOTED:
            return f"the machine was started anew: go on with  traind resume {now.reference}"
        case Liveness.ORPHANED:
            return f"the supervisor is gone, its trainer will leave: then  traind resume {now.reference}"
        case Liveness.ENDED:
            if now.state is State.DONE:
                more = f"traind set {now.reference} epochs=N, then  traind resume {now.reference}"
                return f"done; to train longer  {more}"
            return f"{now.state}: go on with  traind resume {now.reference}"
        case Liveness.LIVE | Liveness.SILENT | Liveness.UNKNOWN:
            return ""


def is_heard(now: Situation) -> bool:
    """Whether any order could be given at all: somebody listens, and this viewer may write."""
    return not (now.read_only or now.is_past) and now.state is not None and not attention(now)


def for_key(key: str, now: Situation, actions: Sequence[Action] = ACTIONS) -> Action:
    """The row behind a key: of several (pause, resume) the one that is possible now, else the first."""
    rows = [action for action in actions if action.key == key]
    possible = [a for a in rows if a.verb is None or now.state in a.states]
    return possible[0] if possible else rows[0]


def parse_lr(text: str) -> float:
    """A learning rate as typed. Raises ValueError with a reason in words."""
    try:
        value = float(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()[:20]!r} is not a number; write 3e-5 or 0.00003") from None
    if not 0 < value < 100:
        raise ValueError("a learning rate is above 0 and below 100")
    return value
