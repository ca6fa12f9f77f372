"""What can be done on the full pages of a run: one table a page, as in `actions`. Pure."""

from rundir.control import Verb
from trainwatch.actions import ACTIVE, DISCARD, HELP, KEEP, THEME, Action, Ask, quit_row


def _leave(back: str = "back to the run") -> tuple[Action, ...]:
    return (THEME, Action("back", "escape", "back", back), HELP, quit_row("leave; the run goes on"))


CHECKPOINT_ACTIONS = (
    Action("down", "down", "choose", "the next one; PgDn, End, the wheel, a click"),
    Action("up", "up", "", "the one before; PgUp, Home"),
    Action("page-down", "pagedown", "", "further down"),
    Action("page-up", "pageup", "", "further up"),
    Action("first", "home", "", "the newest"),
    Action("last", "end", "", "the oldest"),
    Action(
        "rollback-here", "b", "roll back", "go back to the chosen one; what came after it is put aside; asked",
        Verb.ROLLBACK, ACTIVE, Ask.CONFIRM,
    ),
    Action(
        "rollback-lower", "B", "", "the same with a learning rate that is multiplied by what you type",
        Verb.ROLLBACK, ACTIVE, Ask.LR,
    ),
    KEEP,
    DISCARD,
    Action("verify", "v", "verify", "compare all files of the chosen one with its manifest, in the background"),
    Action("verify-all", "V", "", "the same of all of them"),
    *_leave(),
)  # fmt: skip
"""What can be done on the page of checkpoints. Of a run that nobody attends this program itself keeps and deletes."""

CONSOLE_ACTIONS = (
    Action("down", "down", "move", "down a row; the wheel does so"),
    Action("up", "up", "", "up a row"),
    Action("page-down", "pagedown", "", "a page down"),
    Action("page-up", "pageup", "", "a page up"),
    Action("first", "home", "", "to the beginning"),
    Action("last", "end", "", "to the end, and stay there"),
    Action("follow", "f", "follow", "stay at the end as it grows; once more: let go"),
    Action("search", "slash", "search", "a regular expression, downwards; without a capital letter both cases"),
    Action("next", "n", "next", "the next line with it"),
    Action("previous", "N", "", "the line with it before"),
    Action("filter", "ampersand", "filter", "show only lines with a regular expression; none: all"),
    Action("go", "colon", "go to", "a line 1234, a share 50%, a step s400, a time 14:30 or 2026-11-26 14:30:05"),
    Action("crosshair", "c", "crosshair", "to what was printed where the crosshair of the charts stands"),
    Action("wrap", "w", "wrap", "long lines on several rows, or to be moved along with → ←"),
    Action("right", "right", "", "further along lines that are not wrapped"),
    Action("left", "left", "", "back along them"),
    *_leave("end the search that goes on, the filter, the highlighting; then back to the run"),
)
"""What can be done on the page of the console."""

CONFIG_ACTIONS = (
    Action("down", "down", "choose", "the next line; the wheel, a click"),
    Action("up", "up", "", "the line before"),
    Action("page-down", "pagedown", "", "further down"),
    Action("page-up", "pageup", "", "further up"),
    Action("first", "home", "", "the first"),
    Action("last", "end", "", "the last"),
    Action("fold", "enter", "fold", "close or open the chosen table; a click on one does so"),
    Action("fold-all", "minus", "fold all", "close all tables"),
    Action("unfold-all", "plus", "", "open all tables"),
    Action("filter", "slash", "search", "words that a key or its value holds, -word: does not"),
    Action("compare", "d", "compare", "what differs from another run of the same directory"),
    Action("all", "a", "all", "all keys of both runs, or those that differ"),
    *_leave("end the search, then the comparison; then back to the run"),
)
"""What can be done on the page of the configuration."""

EVAL_ACTIONS = (
    Action("next", "tab", "part", "the table, then labels, confusions and texts of the chosen evaluation; a click"),
    Action("previous", "shift+tab", "", "the part before"),
    Action("down", "down", "choose", "the evaluation before; of another part: scroll; the wheel does so"),
    Action("up", "up", "", "the evaluation after; up"),
    Action("page-down", "pagedown", "", "further down"),
    Action("page-up", "pageup", "", "further up"),
    Action("first", "home", "", "the newest"),
    Action("last", "end", "", "the oldest"),
    Action("right", "right", "columns", "further metrics, or predicted labels; ← back"),
    Action("left", "left", "", "back"),
    Action("best", "b", "best", "choose the best evaluation"),
    Action("zoom", "z", "alone", "the chosen part alone, or all again"),
    *_leave(),
)
"""What can be done on the page of evaluations."""
