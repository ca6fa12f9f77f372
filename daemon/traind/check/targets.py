"""What can be wrong with the labels of a corpus: all the same, some missing or rare, or nothing to do with the texts.

A row's target is a label name, the spans or tags in its text, or None where the text itself is learnt.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from traind.check.connection import examine_connection
from traind.check.finding import Finding, fault, ok, some, warn
from traind.check.spans import examine_boundaries, has_spans, span_labels
from traind.data.labels import OUTSIDE
from traind.data.survey import Split, Survey

IMBALANCE = 20.0
"""Times as often as the rarest label, from which a loss without class weights learns the most frequent alone."""
FEW_TO_LEARN = 5
FEW_TO_JUDGE = 30
"""Eval examples under which a score is uncertain by more than nine points either way."""
_NUM_SHOWN = 6
"""Labels whose counts are given."""


def examine_targets(survey: Survey, *, is_weighted: bool, is_held_out: bool) -> Iterator[Finding]:
    """Label counts, balance, labels without examples, size of the eval set, connection with the texts.

    `is_weighted`: the loss has class weights. `is_held_out`: the eval set is a share of the train file. Nothing is said
    of texts without labels.
    """
    if all(target is None for target in survey.train.targets):
        return
    of_spans = has_spans(survey.train)
    train, evaluation = _count(survey.train, survey.labels), _count(survey.eval, survey.labels)
    if of_spans and not train:
        yield fault(
            "labels",
            f"none of {len(survey.train):,} train texts has a span: there is nothing to learn",
            "correct the key that spans or tags are read from, or give texts that have some",
        )
        return
    names = list(dict.fromkeys(name[2:] for name in survey.labels if name != OUTSIDE)) if of_spans else survey.labels
    yield from _spelling(train + evaluation)
    yield from _distribution(train, names, is_weighted=is_weighted, of_spans=of_spans)
    yield from _eval_counts(train, evaluation, len(survey.eval), is_held_out=is_held_out, of_spans=of_spans)
    yield from examine_boundaries(survey.train)
    yield from examine_connection(survey)


def _count(split: Split, names: Sequence[str]) -> Counter[str]:
    """Examples by label: rows, or spans."""
    counts: Counter[str] = Counter()
    for target in split.targets:
        counts.update(span_labels(target, names) if isinstance(target, tuple) else [str(target)])
    return counts


def _spelling(counts: Counter[str]) -> Iterator[Finding]:
    """Labels that are most likely one, written in two ways."""
    alike: dict[str, list[str]] = {}
    for name in sorted(counts):
        alike.setdefault(name.casefold(), []).append(name)
    groups = [" / ".join(f"{name} {counts[name]:,}" for name in names) for names in alike.values() if len(names) > 1]
    if groups:
        yield warn(
            "label names",
            f"differ only in upper and lower case, and are learnt as different labels: {some(groups)}",
            "write each label in one way in the data, unless they are meant to differ",
        )


def _distribution(
    counts: Counter[str], names: Sequence[str], *, is_weighted: bool, of_spans: bool
) -> Iterator[Finding]:
    total, things = counts.total(), "spans" if of_spans else "rows"
    shown = " · ".join(f"{name} {count:,}" for name, count in counts.most_common(_NUM_SHOWN))
    shown += f" · … ({len(counts):,} labels)" if len(counts) > _NUM_SHOWN else ""
    if len(counts) == 1 and not of_spans:
        yield fault(
            "labels",
            f"all {total:,} train rows have the label {shown.rsplit(' ', 1)[0]}: there is nothing to tell apart",
            "correct the column or key that the label is read from (data.label), or give rows of other labels too",
        )
        return
    yield ok("labels", f"{total:,} train {things}: {shown}")
    yield from _missing(counts, names, things)
    rarest, most = min(counts.values(), default=0), max(counts.values(), default=0)
    if rarest and most >= IMBALANCE * rarest and not is_weighted:
        yield warn(
            "balance",
            f"the most frequent label has {most / rarest:,.0f} times the {things} of the rarest",
            'task.class_weights = "sqrt-inverse" or "inverse", and judge by a macro average',
        )
    elif counts:
        yield ok("balance", f"most frequent ÷ rarest {most / rarest:,.1f}" + (", weighted" if is_weighted else ""))


def _missing(counts: Counter[str], names: Sequence[str], things: str) -> Iterator[Finding]:
    absent = [name for name in names if not counts[name]]
    if absent:
        yield warn(
            "absent labels",
            f"{len(absent):,} of {len(names):,} labels have no train {things}: {some(absent)}",
            "give examples of them, or take them out of task.labels: none will ever be predicted",
        )
    few = [name for name in names if 0 < counts[name] < FEW_TO_LEARN]
    if few:
        yield warn(
            "rare labels",
            f"{len(few):,} labels have fewer than {FEW_TO_LEARN} train {things}: {some(few)}",
            "give more examples of them, or merge them with others",
        )


def _eval_counts(
    train: Counter[str], evaluation: Counter[str], num_texts: int, *, is_held_out: bool, of_spans: bool
) -> Iterator[Finding]:
    total, things = evaluation.total(), "spans" if of_spans else "rows"
    larger = "raise data.eval_fraction, or give data.eval" if is_held_out else "give a larger data.eval"
    if not total:
        # Of a handful of texts none need have a span: that says how few they are, and nothing against the data.
        level = fault if num_texts >= FEW_TO_JUDGE else warn
        yield level("eval set", f"{num_texts:,} texts without a span: nothing can be judged", larger)
        return
    if len(evaluation) == 1 and len(train) > 1 and not of_spans and total >= FEW_TO_JUDGE:
        yield fault(
            "eval set",
            f"all {total:,} rows have the label {next(iter(evaluation))}: saying it always scores 100%",
            f"{larger}, with rows of the other labels"
            if is_held_out
            else "mix the rows before you split them, or "
            "leave data.eval out: data.eval_fraction of the train rows is then held out at random",
        )
        return
    unseen = [name for name in evaluation if not train[name]]
    if unseen:
        yield warn(
            "eval set",
            f"has labels that training has no example of: {some(unseen)}",
            "divide the data so that every label is in both",
        )
    absent = [name for name in train if not evaluation[name]]
    if absent:
        yield warn("eval set", f"has no example of {len(absent):,} of {len(train):,} labels: {some(absent)}", larger)
    error = 50 / total**0.5
    if total < FEW_TO_JUDGE:
        yield warn("eval set", f"has {total:,} {things}: a score is uncertain by ±{error:.0f} points", larger)
    elif not unseen and not absent:
        yield ok("eval set", f"{total:,} {things}, every label among them; a score is uncertain by ±{error:.1f} points")
