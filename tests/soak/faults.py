"""The faults that a run survives, and the tests that do each to real processes: the rows of the table.

A test that does several, or one many times, says so through `ledger.record`; any other counts once.
"""

from dataclasses import dataclass

from tests.soak.trap import Victim


@dataclass(frozen=True)
class Fault:
    """One row."""

    name: str
    tests: tuple[str, ...]
    """Where it is done: beginnings of test ids, from tests/ on."""
    more: tuple[str, ...] = ()
    """Also where, by `make soak` only: long, or another face of the same."""
    compares: bool = False
    """Whether these tests compare all numbers with those of an undisturbed run."""


RANKS = "SIGKILL of one of several processes"
KILLED: dict[Victim, str] = {
    "trainer": "SIGKILL of the trainer",
    "supervisor": "SIGKILL of the supervisor",
    "worker": "SIGKILL of a loader worker",
    "rank": RANKS,
}
_KILLS = ("soak/test_kills.py::test_whoever_is_killed_wherever_the_numbers_stay",)
_FULL = "process/test_disk_full.py::"
_SIGNALS = "process/test_signals.py::"
_BAD = "process/test_bad_numbers.py::"
_CRASH = "process/test_crash.py::"
_STALL = "process/test_stall.py::"
_REBOOT = "process/test_reboot.py::"
_CONTROL = "process/test_control_faults.py::"

FAULTS = (
    Fault(KILLED["trainer"], _KILLS, ("process/test_kill.py::test",), compares=True),
    Fault(KILLED["supervisor"], _KILLS, compares=True),
    Fault(KILLED["worker"], _KILLS, compares=True),
    Fault(
        RANKS,
        ("soak/test_rank_kills.py::test",),
        ("process/test_ranks.py::test_a_killed_process", *_KILLS),
        compares=True,
    ),
    Fault("disk full while logging", (_FULL + "test_records_wait",), compares=True),
    Fault(
        "disk full while saving",
        (_FULL + "test_a_save_that_fails",),
        (_FULL + "test_a_finished_run_waits",),
        compares=True,
    ),
    Fault(
        "disk full for trainer and supervisor",
        (_FULL + "test_a_full_disk_is_waited_out",),
        (_FULL + "test_what_would_find_no_room",),
        compares=True,
    ),
    Fault(
        "orphaned trainer, a resume meanwhile",
        (_SIGNALS + "test_a_resume_never_trains_beside",),
        (_SIGNALS + "test_an_orphan_that_hangs",),
    ),
    Fault("SIGTERM, SIGINT, SIGUSR1", (_SIGNALS + "test_both_told_at_once",), (_SIGNALS + "test_told",)),
    Fault("newest checkpoint damaged", ("soak/test_damage.py::test",), compares=True),
    Fault(
        "run directory read-only", (_CONTROL + "test_a_run_directory_made_read_only_loses_no_number",), compares=True
    ),
    Fault("control file garbage, 10 MB, gone, symlink", (_CONTROL + "test_whatever_befalls_the_control_file",)),
    Fault("viewers giving contrary orders", (_CONTROL + "test_two_viewers_with_contrary_orders",)),
    Fault("clock stepping back an hour", ("soak/test_clock.py::test",), compares=True),
    Fault("SIGSTOP of trainer or supervisor", ("soak/test_stopped.py::test",), compares=True),
    Fault(
        "second supervisor", ("soak/test_supervisors.py::test",), ("process/test_start.py::test_a_second_supervisor",)
    ),
    Fault(
        "NaN batch, Inf gradient: update skipped",
        (_BAD + "test_skipped_updates_poison_nothing_and_are_told",),
        (_BAD + "test_a_kill_changes_nothing_of_it",),
    ),
    Fault(
        "NaN batch: rolled back, paused, stopped",
        (_BAD + "test_rollback_lowers_the_rate",),
        (_BAD + "test_a_run_that_no_rollback", _BAD + "test_pause_holds", _BAD + "test_stop_fails_the_run"),
    ),
    Fault("exploding learning rate", (_BAD + "test_a_ruinous_rate_is_rolled_back_by_itself",)),
    Fault("loss spike", (_BAD + "test_a_spike_may_be_rolled_back",)),
    Fault("out of memory at forward, backward", (_BAD + "test_a_step_that_finds_no_memory",)),
    Fault("out of memory at evaluation", (_BAD + "test_an_evaluation_without_memory",)),
    Fault("killed by the kernel, out of memory", ("process/test_oom_kill.py::test",)),
    Fault("deterministic exception", (_CRASH + "test_the_same_exception_at_the_same_step_ends_the_run",)),
    Fault("segfault", (_CRASH + "test_a_segfault_is_told",)),
    Fault("trainer that hangs", (_STALL + "test_a_trainer_that_hangs_is_started",), (_STALL + "test",)),
    Fault("machine rebooted", (_REBOOT + "test_all_that_was_running",), (_REBOOT + "test_what_was_answered",)),
)
