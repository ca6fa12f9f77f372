"""Which records hold after resumes and rewritten lines: cases by hand, and properties of any sequence."""

from hypothesis import given
from hypothesis import strategies as st

from rundir.effective import effective
from rundir.records import (
    AnyRecord,
    EvalRecord,
    LifecycleEvent,
    NoteEvent,
    OutcomeEvent,
    ResumeEvent,
    ResumeRecord,
    StepRecord,
)


def step(n: int, attempt: int = 1, seq: int = 0, loss: float = 0.5) -> StepRecord:
    return StepRecord(at=0.0, attempt=attempt, seq=seq, step=n, loss=loss)


def resume(n: int, attempt: int = 2) -> ResumeRecord:
    return ResumeRecord(at=0.0, attempt=attempt, step=n)


def test_a_resume_truncates_what_stands_before_it() -> None:
    evaluation = EvalRecord(at=0.0, attempt=1, step=3, loss=0.4)
    marker = resume(2)
    records = [step(1), step(2), step(3), evaluation, marker, step(3, 2)]
    assert effective(records) == [step(1), step(2), marker, step(3, 2)]


def test_resumes_nest() -> None:
    records = [step(1), step(2), resume(1, 2), step(2, 2), step(3, 2), resume(0, 3), step(1, 3)]
    assert effective(records) == [resume(1, 2), resume(0, 3), step(1, 3)]


def test_orders_and_notes_stay_other_events_of_superseded_steps_go() -> None:
    outcome = OutcomeEvent(at=0.0, attempt=1, writer="trainer", step=5, order="a", verb="set", result="applied")
    note = NoteEvent(at=0.0, attempt=1, writer="supervisor", step=5, text="hm")
    gone = LifecycleEvent(at=0.0, attempt=1, writer="trainer", step=5, what="paused")
    stays = LifecycleEvent(at=0.0, attempt=1, writer="supervisor", what="spawned")
    marker = ResumeEvent(at=0.0, attempt=2, writer="trainer", step=3)
    assert effective([outcome, note, gone, stays, marker]) == [outcome, note, stays, marker]


def test_a_line_written_twice_counts_once() -> None:
    assert effective([step(1, seq=1), step(2, seq=2), step(2, seq=2), step(3, seq=3)]) == [
        step(1, seq=1),
        step(2, seq=2),
        step(3, seq=3),
    ]


def test_the_same_count_in_another_attempt_by_another_writer_or_for_another_thing_is_no_repeat() -> None:
    trainer = NoteEvent(at=0.0, attempt=1, seq=1, writer="trainer", text="x")
    supervisor = NoteEvent(at=0.0, attempt=1, seq=1, writer="supervisor", text="x")
    again = NoteEvent(at=1.0, attempt=1, seq=1, writer="supervisor", text="a supervisor started anew")
    later = NoteEvent(at=0.0, attempt=2, seq=1, writer="trainer", text="x")
    records = [trainer, supervisor, again, later]
    assert effective(records) == records


def test_of_a_due_evaluation_made_twice_the_later_holds() -> None:
    def evaluation(attempt: int, trigger: str) -> EvalRecord:
        return EvalRecord(at=0.0, attempt=attempt, step=5, loss=0.4, trigger=trigger)  # type: ignore[arg-type]

    first, asked, asked_again, second = (
        evaluation(n, t) for n, t in enumerate(["schedule", "order", "order", "schedule"])
    )
    assert effective([first, asked, asked_again, resume(5), second]) == [asked, asked_again, resume(5), second]
    assert effective([first, resume(4), step(5), second]) == [resume(4), step(5), second]


def test_uncounted_records_may_be_alike() -> None:
    assert len(effective([step(1), step(1)])) == 2


sequences = st.lists(
    st.one_of(
        st.builds(step, st.integers(1, 9), st.integers(1, 3), st.integers(0, 9)), st.builds(resume, st.integers(0, 9))
    ),
    max_size=30,
)


@given(sequences)
def test_no_record_beyond_a_later_resume_holds_and_nothing_else_goes(records: list[AnyRecord]) -> None:
    kept = effective(records)
    for place, record in enumerate(kept):
        targets = [later.step for later in kept[place:] if isinstance(later, ResumeRecord)]
        if isinstance(record, StepRecord):
            assert all(record.step <= target for target in targets)
    assert [r for r in kept if isinstance(r, ResumeRecord)] == [r for r in records if isinstance(r, ResumeRecord)]
    if not any(isinstance(r, ResumeRecord) for r in records):
        assert {r.seq for r in kept} == {r.seq for r in records}
