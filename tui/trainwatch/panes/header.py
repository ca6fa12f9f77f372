"""The header: what the run is, whether it lives, how far it is; and what of it needs a person. Pure."""

import math

from rich.cells import cell_len

from rundir.records import Severity
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.actions import Situation, attention
from trainwatch.listing.column import parted
from trainwatch.paint import Row, fit_row, flow, row_width, spread
from trainwatch.panes.words import SEVERITY_STYLES, state_words
from trainwatch.store import Store

_BAR = 40
_LACKED = {
    "grad_norm": "gradient norm", "lr": "learning rate", "memory": "memory", "evals": "evaluations",
    "console": "console", "orders": "orders",
}  # fmt: skip
"""What panes that have nothing to show would hold."""


def paint_header(
    store: Store, width: int, height: int, now: float, colour: str = "", *, is_past: bool = False
) -> list[Row]:
    """Identity and progress; then the figures, in order of weight as far as they fit; then what needs attention.

    `is_past`: what is shown was so, and nothing of it needs anybody.
    """
    rows = [_first_line(store, width, colour, is_past=is_past)]
    if height >= 3 and (urgent := _urgent(store, is_past=is_past)):
        figures = flow(_figures(store, now), width)[: height - 2]
        rows += [*figures, fit_row(urgent, width)]
    else:
        rows += flow(_figures(store, now), width)[: height - 1]
    rows = rows[:height]
    return rows + [fit_row([], width)] * (height - len(rows))


def _first_line(store: Store, width: int, colour: str, *, is_past: bool) -> Row:
    status = store.status
    words, style = state_words(status.state if status else None, store.verdict)
    if store.opened.source:
        words, style = f"{store.opened.source}, read-only", "dim"
    if status is not None and store.status_fault:
        words, style = f"no status, was {status.state}", "alert"
    elif status is not None and status.state == "stopped" and status.last_error:  # by a kill or a signal, not by `stop`
        words, style = f"stopped: {fmt.clip(plain(status.last_error), 24)}", "warn"
    left: Row = [(" ● ", style), (words, style)]
    if is_past:
        left = [(" ◷ ", "notice"), ("" if store.opened.source else "was ", "notice"), (words, style)]
    if status is not None and status.phase is not None and store.is_moving and status.phase not in ("train", "paused"):
        left.append((f" · {status.phase}", "dim"))
    progress = _progress(store, width)
    if colour:
        left.append(("  ■", colour))
    if row_width(left) + row_width(progress) + 16 < width:
        left += [("  ", ""), (_named(store.run.id, width - row_width(left) - row_width(progress) - 4), "title")]
    return spread(left, [*progress, (" ", "")], width)


def _named(run_id: str, cells: int) -> str:
    """As much of a run's name as has room: without its date, then its time, then its beginning; its end tells runs
    apart."""
    stamp, name = parted(run_id)
    return next(
        (text for text in (stamp + name, stamp[9:] + name) if cell_len(text) <= cells), fmt.clip_start(name, cells)
    )


def _progress(store: Store, width: int) -> Row:
    step, total = store.step, store.total_steps
    if total is None or total < 1:
        return [("step ", "dim"), (fmt.count(step), "value")]
    share = max(min(step, total), 0) / total
    row: Row = [("step ", "dim"), (fmt.count(step), "value"), (f" / {fmt.count(total)}", "dim")]
    if width >= 70:
        cells = min(_BAR, width // 4)
        done = int(share * cells)
        row += [("  ", ""), ("━" * done, "ok"), ("━" * (cells - done), "border")]
    # Never rounded up to 100: that is for the last step.
    return [*row, (f" {math.floor(share * 1000) / 10:5.1f} %", "value")]


def _figures(store: Store, now: float) -> list[Row]:
    """Name and value pairs, the weightiest first."""
    named = [*_epoch(store), *(_measured(store, now) if store.caught_up else [])]
    return [[(f"{name} ", "dim"), (value, "value")] for name, value in named]


def _epoch(store: Store) -> list[tuple[str, str]]:
    status = store.status
    if status is None or status.epoch is None:
        return []
    total = f" / {round(status.total_epochs, 2):g}" if status.total_epochs is not None else ""
    return [("epoch", f"{status.epoch:.2f}{total}")]


def _measured(store: Store, now: float) -> list[tuple[str, str]]:
    status, tokens, best = store.status, store.steps.last("tokens_per_s"), store.scores.best_record
    figures = [
        ("ETA", "" if store.has_ended or store.opened.source else fmt.duration(store.eta_s)),
        # "steps/s 12.3", not "12.3 steps/s": what waits for the status line's "N steps" must not meet it here.
        ("steps/s", fmt.number(store.rate) if math.isfinite(store.rate) else _unless_foreign(store)),
        ("elapsed", "" if store.opened.source else fmt.duration(store.elapsed_s(now))),
        ("device", plain(status.device or "") if status else ""),
        ("tokens/s", fmt.short_count(tokens) if math.isfinite(tokens) else ""),
        ("checkpoint", fmt.count(store.checkpoints[-1].step or 0) if store.checkpoints else ""),
        ("best", f"@ {fmt.count(best.step)}" if best is not None else ""),
        ("params", _parameters(store)),
        ("task", plain(store.opened.task)),
        ("attempt", str(status.attempt) if status and status.attempt > 1 else ""),
        ("host", fmt.clip(plain(status.host), 20) if status and not store.is_moving else ""),
        ("not recorded:", ", ".join(words for name, words in _LACKED.items() if name in store.absent)),
    ]
    return [(name, value) for name, value in figures if value]


def _unless_foreign(store: Store) -> str:
    """What is not known for now, of what another program has written never."""
    return "" if store.opened.source else fmt.MISSING


def _parameters(store: Store) -> str:
    """`66.4M`, or `884k of 67.1M` where not all of them are trained."""
    total = store.parameters.get("num_parameters", 0.0)
    trained = store.parameters.get("num_trained_parameters", total)
    if not total > 0:
        return ""
    return fmt.short_count(total) if trained == total else f"{fmt.short_count(trained)} of {fmt.short_count(total)}"


def _urgent(store: Store, *, is_past: bool = False) -> Row:
    """The one thing to know, if there is one: a dead run, an error, the gravest alert, the last word."""
    status = store.status
    if store.status_fault:
        return [(" ! ", "alert"), (plain(store.status_fault), "alert")]
    if status is None:
        return _gravest(store)
    opened = store.opened
    reference = opened.far_path or opened.reference
    now = Situation(reference, status.state, store.verdict, by_script=store.by_script, host=opened.host)
    hint = attention(now)
    if hint and not store.has_ended and not is_past:
        return [(" ! ", "warn"), (plain(hint), "warn")]
    if status.last_error and status.state in ("failed", "restarting", "parked"):
        return [(" ! ", "alert"), (plain(status.last_error), "alert")]
    if gravest := _gravest(store):
        return gravest
    if store.report is not None and store.has_ended:
        return [(" ✓ ", "ok"), (plain(store.report.message), "")]
    return []


def _gravest(store: Store) -> Row:
    """The alert that matters most; marks are no news."""
    for alert in [a for a in store.active_alerts if a.severity is not Severity.INFO][:1]:
        style = SEVERITY_STYLES[alert.severity]
        here: Row = [("found here  ", "dim")] if store.findings.active.get(alert.rule) is alert else []
        return [(" ▲ ", style), *here, (plain(f"{alert.rule}: {alert.message}"), style)]
    return []
