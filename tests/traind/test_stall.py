"""When no progress is a stall: a table of what was seen, what is allowed, and what is said."""

import pytest

from rundir.status import Phase
from traind.stall import FLOOR_S, LOADING_S, NUM_TO_LEARN, TIMES_LONGEST, UNKNOWN_S, Recovered, Stalled, StallWatch


def trained(
    stall_s: float | None = None, *, gap_s: float = 1.0, num_gaps: int = NUM_TO_LEARN, phase: Phase = Phase.TRAIN
) -> tuple[StallWatch, float]:
    """A watch that has seen safe points at equal gaps, and the time of the last."""
    watch = StallWatch(stall_s)
    now = 0.0
    for index in range(num_gaps + 1):
        go_on(watch, phase, index, now - (gap_s if index else 0.0), now)
        now += gap_s
    return watch, now - gap_s


def go_on(watch: StallWatch, phase: Phase, safe_points: int, begin: float, end: float) -> list[Stalled | Recovered]:
    """Look once a second from `begin` up to `end`, at which moment `safe_points` is reached. What was said."""
    said = []
    now = begin + 1.0
    while now < end:
        said.append(watch.look(phase, max(safe_points - 1, 0), 0, now))
        now += 1.0
    said.append(watch.look(phase, safe_points, 0, end))
    return [change for change in said if change is not None]


def silence(
    watch: StallWatch, phase: Phase, safe_points: int, begin: float, seconds: float
) -> list[tuple[float, Stalled | Recovered]]:
    """Nothing moves for so long. What was said, and when."""
    times = [begin + 0.5 * n for n in range(1, int(seconds / 0.5) + 1)]
    looked = [(now - begin, watch.look(phase, safe_points, 0, now)) for now in times]
    return [(at, change) for at, change in looked if change is not None]


@pytest.mark.parametrize(
    ("stall_s", "phase", "gap_s", "num_gaps", "allowed_s"),
    [
        (None, Phase.LOADING, 0.0, 0, LOADING_S),
        (None, Phase.TOKENIZING, 0.0, 0, LOADING_S),
        (None, Phase.PRETRAIN, 0.0, 0, LOADING_S),
        (5.0, Phase.LOADING, 0.0, 0, LOADING_S),
        (5000.0, Phase.LOADING, 0.0, 0, 5000.0),
        (None, Phase.TRAIN, 1.0, 0, UNKNOWN_S),
        (None, Phase.TRAIN, 1.0, NUM_TO_LEARN - 1, UNKNOWN_S),
        (None, Phase.TRAIN, 1.0, NUM_TO_LEARN, FLOOR_S),
        (None, Phase.TRAIN, 60.0, NUM_TO_LEARN, 60.0 * TIMES_LONGEST),
        (None, Phase.EVAL, 60.0, NUM_TO_LEARN, 60.0 * TIMES_LONGEST),
        (None, Phase.SAVE, 0.1, NUM_TO_LEARN, UNKNOWN_S),
        (None, Phase.SAVE, 200.0, NUM_TO_LEARN - 1, 200.0 * TIMES_LONGEST),
        (5.0, Phase.TRAIN, 60.0, NUM_TO_LEARN, 5.0),
        (5.0, Phase.EVAL, 1.0, 0, 5.0),
        (5.0, Phase.SAVE, 1.0, 0, 5.0),
        (5.0, Phase.PAUSED, 1.0, 0, None),
        (None, Phase.PAUSED, 1.0, 0, None),
        (5.0, Phase.LEAVING, 1.0, 0, None),
    ],
)
def test_what_each_phase_is_allowed(
    stall_s: float | None, phase: Phase, gap_s: float, num_gaps: int, allowed_s: float | None
) -> None:
    watch, _ = trained(stall_s, gap_s=gap_s or 1.0, num_gaps=num_gaps, phase=phase)
    assert watch.allowed_s(phase) == allowed_s


def test_one_phase_learns_nothing_from_another() -> None:
    watch, _ = trained(gap_s=100.0, phase=Phase.EVAL)
    assert watch.allowed_s(Phase.TRAIN) == UNKNOWN_S


def test_a_stall_is_told_once_and_so_is_its_end() -> None:
    watch, now = trained(stall_s=5.0)
    ((at, stalled),) = silence(watch, Phase.TRAIN, NUM_TO_LEARN, now, 60.0)
    assert isinstance(stalled, Stalled)
    assert (stalled.phase, stalled.allowed_s) == (Phase.TRAIN, 5.0)
    assert at == pytest.approx(5.5)
    assert watch.look(Phase.TRAIN, NUM_TO_LEARN + 1, 1, now + 60.5) == Recovered(Phase.TRAIN, 60.5)
    assert silence(watch, Phase.TRAIN, NUM_TO_LEARN + 1, now + 60.5, 5.0) == []


def test_the_time_of_a_stall_is_not_learnt() -> None:
    watch, now = trained(gap_s=1.0)
    assert len(silence(watch, Phase.TRAIN, NUM_TO_LEARN, now, 1000.0)) == 1
    watch.look(Phase.TRAIN, NUM_TO_LEARN + 1, 1, now + 1001.0)
    assert watch.allowed_s(Phase.TRAIN) == FLOOR_S


def test_a_phase_that_ends_late_is_no_stall_of_the_next() -> None:
    """An evaluation whose metrics take long says nothing in between; the time is its own."""
    watch, now = trained(gap_s=1.0)
    watch.look(Phase.EVAL, NUM_TO_LEARN, 0, now)
    assert silence(watch, Phase.EVAL, NUM_TO_LEARN, now, 300.0) == []
    assert watch.look(Phase.TRAIN, NUM_TO_LEARN, 0, now + 300.5) is None
    assert watch.allowed_s(Phase.TRAIN) == FLOOR_S
    assert watch.allowed_s(Phase.EVAL) == pytest.approx(300.5 * TIMES_LONGEST)


def test_a_paused_run_is_no_stall() -> None:
    watch, now = trained(stall_s=5.0)
    watch.look(Phase.PAUSED, NUM_TO_LEARN, 0, now)
    assert silence(watch, Phase.PAUSED, NUM_TO_LEARN, now, 3600.0) == []


def test_a_supervisor_that_was_stopped_itself_blames_nobody() -> None:
    """SIGSTOP of both, a suspended laptop: an hour between two looks says nothing of the trainer."""
    watch, now = trained(stall_s=5.0)
    assert watch.look(Phase.TRAIN, NUM_TO_LEARN, 0, now + 3600.0) is None
    assert watch.look(Phase.TRAIN, NUM_TO_LEARN + 1, 1, now + 3600.1) is None


def test_nothing_said_yet_counts_as_loading() -> None:
    watch = StallWatch(None)
    looked = [watch.look(None, 0, 0, float(now)) for now in range(int(LOADING_S) + 10)]
    (stalled,) = [change for change in looked if change is not None]
    assert isinstance(stalled, Stalled)
    assert stalled.phase is Phase.LOADING
