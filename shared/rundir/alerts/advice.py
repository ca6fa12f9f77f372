"""What each alert is likely due to, and what to do about it: a table, and the ranking of causes by the records.

A cause that speaks with a sign which is there goes up, one that a sign rules out goes down; else the order of the table
holds, which is by how often. Nothing here is certain: causes are "likely", never "it is".
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from rundir.alerts.facts import Facts
from rundir.alerts.remedy import order_by
from rundir.alerts.track import Track
from rundir.records import Severity

MOST_CAUSES = 3
NEAR_STEPS = 200
"""What happened so many steps before an alert's onset may have to do with it."""
WAITING = 0.3
"""Share of a step that is spent waiting for data, above which it says something."""


class Cause(msgspec.Struct, frozen=True):
    """One possible cause, with the signs that speak for it and those that rule it out."""

    text: str
    pro: tuple[str, ...] = ()
    contra: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()
    """What to do where it is the likeliest, in place of the rule's own."""
    ordered: str = ""
    """The one of those whose order goes with them."""

    @property
    def order(self) -> dict[str, Any] | None:
        return order_by(self.ordered)


class Advice(msgspec.Struct, frozen=True):
    """What is known of a rule's alerts."""

    causes: tuple[Cause, ...]
    fixes: tuple[str, ...]
    ordered: str = ""
    """The fix whose order goes with an alert; empty where none does."""

    @property
    def order(self) -> dict[str, Any] | None:
        return order_by(self.ordered)


def signs(
    track: Track, facts: Facts, onset_step: int, rules: AbstractSet[str], evidence: Mapping[str, Any]
) -> set[str]:
    """What the records say about the circumstances: signs that causes refer to, and the rules that have alerts too."""
    found = set(rules)
    rose = track.lr_rose_step
    if rose is not None and -NEAR_STEPS <= rose - onset_step <= 5 * track.stride:
        found.add("lr-rose")
    if track.resumed_step is not None and 0 <= onset_step - track.resumed_step <= NEAR_STEPS:
        found.add("resumed")
    if track.lr is not None and track.lr_peak > 0.0:
        found.add("lr-at-peak" if track.lr >= 0.9 * track.lr_peak else "lr-below-peak")
    is_unusual = facts.lr_usual is not None and max(track.lr_peak, facts.lr_peak or 0.0) > facts.lr_usual
    found.add("lr-unusual" if is_unusual else "lr-usual")
    found.add("early" if onset_step <= max(100, (facts.planned_steps or 0) // 10) else "late")
    found.add("unruined" if track.blew_up_step is None else "blew-up")
    if facts.warmup_steps is not None:
        found.add("warmup" if facts.warmup_steps > 0 else "no-warmup")
    if facts.clip_norm is not None:
        found.add("clipped" if facts.clip_norm > 0.0 else "unclipped")
    found.add("fp16" if "loss_scale" in track.seen else "no-fp16")
    found.add("gpu" if "system.gpu" in track.seen else "no-gpu")
    waited, took = evidence.get("data_wait_s"), evidence.get("step_s")
    if isinstance(waited, float) and isinstance(took, float):
        found.add("data-waits" if waited > WAITING * took else "data-comes")
    return found


def ranked(causes: tuple[Cause, ...], found: AbstractSet[str]) -> list[Cause]:
    """The likeliest causes, at most three; none that is known not to be so."""
    causes = tuple(cause for cause in causes if not (cause is _UNCLIPPED and "clipped" in found)) or causes
    scores = [(-len(found & {*c.pro}) + 2 * len(found & {*c.contra}), i) for i, c in enumerate(causes)]
    return [causes[i] for _, i in sorted(scores)[:MOST_CAUSES]]


def order_of(
    advice: Advice, cause: Cause, change_severity: Severity, ill_from: float, track: Track
) -> dict[str, Any] | None:
    """The order that goes with the advice; a rollback names the newest checkpoint from before `ill_from`.

    None for a mark, which calls for nothing, and where there is no such checkpoint to go back to.
    """
    order = cause.order if cause.fixes else advice.order
    if order is None or change_severity is Severity.INFO:
        return None
    if order["verb"] != "rollback":
        return order
    before = [step for step in track.checkpoints if step < ill_from]
    return {**order, "args": {"step": before[-1], **order.get("args", {})}} if before else None


_LR_HIGH = Cause(
    "the learning rate is too high",
    ("lr-at-peak", "lr-rose", "lr-unusual", "grad-explode", "early", "loss-spike"),
    ("lr-below-peak",),
)
_NO_WARMUP = Cause("there is no warm-up, or too short a one", ("no-warmup", "early"), ("warmup", "late"))
_UNCLIPPED = Cause("gradients are not clipped", ("unclipped", "grad-explode"), ("clipped",))
_FP16 = Cause("fp16 overflows", ("fp16", "loss-scale-collapse"), ("no-fp16",))
_BAD_DATA = Cause("broken samples or labels in the data that came then", ("late",), ("lr-rose", "early"))
_TENTH = (
    "go back to a checkpoint from before that, or begin anew, with a tenth of the learning rate: ruined weights "
    "do not come back by themselves"
)
_RUINED = Cause(
    "the learning rate is too high: the weights have blown up",
    ("blew-up", "lr-unusual", "loss-spike", "divergence", "grad-explode"),
    ("unruined",),
    (_TENTH, "clip_norm = 1.0", "a longer warm-up"),
    _TENTH,
)
_LR_UNUSUAL = Cause(
    "the learning rate is above what is in use for such a model",
    ("lr-unusual",),
    ("lr-usual",),
    ("begin anew with a usual learning rate: `traind check` names the range",),
)

LR_TOO_HIGH = frozenset({_LR_HIGH.text, _RUINED.text, _LR_UNUSUAL.text})
"""Causes that a lower learning rate is the answer to."""

ADVICE: Mapping[str, Advice] = {
    "non-finite": Advice(
        (_LR_HIGH, _FP16, Cause("log(0), a division by zero or an overflow in the loss"), _BAD_DATA),
        ("go back to a checkpoint before the first bad step with a third of the learning rate", "clip_norm = 1.0"),
        "go back to a checkpoint before the first bad step with a third of the learning rate",
    ),
    "loss-scale-collapse": Advice(
        (Cause("values beyond the range of fp16 in the forward pass", ("fp16",)), _LR_HIGH, _UNCLIPPED),
        ("bf16 or fp32 instead of fp16", "lower the learning rate", "clip_norm = 1.0"),
    ),
    "loss-spike": Advice(
        (
            Cause("a batch that the weights of that moment cannot bear: the same batch elsewhere may do no harm"),
            _LR_HIGH,
            _UNCLIPPED,
            Cause("the optimizer's second moment lags behind (beta2 close to 1)", ("late",)),
            Cause("the state of the optimizer was lost in the resume", ("resumed",)),
        ),
        (
            "nothing, if the loss is back",
            "if it comes again: lower the learning rate, clip_norm = 1.0, beta2 = 0.95",
            "if it stays: go back about 100 steps and leave those batches out",
        ),
        "if it stays: go back about 100 steps and leave those batches out",
    ),
    "divergence": Advice(
        (
            _LR_HIGH,
            Cause("the learning rate was raised just before", ("lr-rose",)),
            _NO_WARMUP,
            _UNCLIPPED,
            _BAD_DATA,
            Cause("the weight of a part of the loss, or the task, has changed", ("late",), ("lr-rose", "grad-explode")),
        ),
        ("go back to a checkpoint before it with a third of the learning rate", "clip_norm = 1.0", "a longer warm-up"),
        "go back to a checkpoint before it with a third of the learning rate",
    ),
    "not-learning": Advice(
        (
            _RUINED,
            _LR_UNUSUAL,
            Cause(
                "the learning rate is far too small, or zero",
                ("lr-zero", "tiny-updates"),
                ("grad-zero", "blew-up", "lr-unusual"),
            ),
            Cause("weights are frozen, or were never given to the optimizer", ("frozen", "grad-zero")),
            Cause("gradients do not reach the first layers", ("grad-vanish", "dead-relu", "grad-zero")),
            Cause("labels do not belong to the inputs", ("chance-level",), ("lr-zero", "tiny-updates", "frozen")),
            Cause("inputs or targets are not normalised", ("starting-loss",), ("chance-level",)),
        ),
        (
            "try to learn one batch by heart: a sound setup can",
            "look at which parameters are trained, and whether inputs and labels belong together",
            "ten times the learning rate",
        ),
    ),
    "chance-level": Advice(
        (
            Cause("labels do not belong to the inputs", (), ("lr-zero", "grad-zero", "tiny-updates", "blew-up")),
            _RUINED,
            _LR_UNUSUAL,
            Cause(
                "the learning rate is far too small, or zero", ("lr-zero", "tiny-updates"), ("blew-up", "lr-unusual")
            ),
            Cause("the network is dead: its outputs do not depend on the inputs", ("grad-zero", "dead-relu")),
            Cause("the wrong loss, e.g. a softmax applied twice", ("not-learning",)),
        ),
        ("look at pairs of input and label as the model gets them", "try to learn one batch by heart"),
    ),
    "plateau": Advice(
        (Cause("it has converged"), Cause("the learning rate is too high for what is left", ("lr-at-peak",))),
        ("if the evaluations are good: stop", "lower the learning rate", "a larger model, if train loss is too high"),
    ),
    "grad-explode": Advice(
        (
            _UNCLIPPED,
            _LR_HIGH,
            Cause("the loss is summed instead of averaged, or scaled twice", ("early", "fp16")),
            _NO_WARMUP,
            _BAD_DATA,
        ),
        ("clip_norm = 1.0", "lower the learning rate", "look whether the loss is averaged over the batch"),
        "clip_norm = 1.0",
    ),
    "grad-zero": Advice(
        (
            Cause("the graph is cut: detach(), no_grad() or a copy between model and loss"),
            Cause("every unit is dead, or every output saturated", ("dead-relu", "grad-explode", "divergence")),
            Cause("all parameters are frozen", ("frozen",)),
            Cause("fp16 gradients underflow", ("loss-scale-collapse",), ("no-fp16",)),
        ),
        ("look at requires_grad of the loss and of each parameter", "go back to a checkpoint before it"),
        "go back to a checkpoint before it",
    ),
    "grad-vanish": Advice(
        (
            _RUINED,
            _LR_UNUSUAL,
            Cause("too many saturating layers: sigmoid or tanh without normalisation", (), ("dead-relu",)),
            Cause("too small an initialisation", ("early",), ("blew-up",)),
            Cause("dead units", ("dead-relu",)),
        ),
        ("residual connections or normalisation", "ReLU-like activations", "He or Xavier initialisation"),
    ),
    "always-clipping": Advice(
        (Cause("clip_norm is below the usual gradient norm"), Cause("the loss is summed instead of averaged")),
        ("raise clip_norm to the 90th percentile of the norm, or lower the learning rate knowingly",),
    ),
    "lr-zero": Advice(
        (
            Cause("the schedule was planned for fewer steps than there are", ("late",)),
            Cause("the scheduler is stepped once a batch where it counts epochs"),
            Cause("the learning rate was set to zero, or the parameter group is not the scheduler's", ("early",)),
        ),
        ("plan the schedule for the steps there are", "set the learning rate"),
        "plan the schedule for the steps there are",
    ),
    "lr-off-schedule": Advice(
        (
            Cause("the scheduler is stepped more or less often than once an optimizer step"),
            Cause("the schedule was planned for another number of steps"),
            Cause("the scheduler's state was lost in the resume", ("resumed",)),
        ),
        ("compare the schedule's total with the planned steps", "set the learning rate"),
    ),
    "tiny-updates": Advice(
        (
            _RUINED,
            _LR_UNUSUAL,
            Cause(
                "the learning rate is far too small",
                (),
                ("grad-vanish", "divergence", "loss-spike", "blew-up", "lr-unusual"),
            ),
            Cause("gradients vanish", ("grad-vanish", "grad-zero")),
        ),
        ("ten to a hundred times the learning rate", "look whether the loss is divided twice"),
    ),
    "frozen": Advice(
        (
            _RUINED,
            Cause("the parameters were not given to the optimizer", (), ("blew-up", "late")),
            _LR_UNUSUAL,
            Cause("the layer takes no part in the output", ("grad-vanish",)),
            Cause("the units behind it are dead", ("dead-relu", "grad-zero")),
        ),
        ("build the optimizer after the model is complete", "set requires_grad = False where it is meant"),
    ),
    "dead-relu": Advice(
        (
            _LR_HIGH,
            Cause("a large negative bias, or unscaled inputs"),
            Cause("too small an initialisation", ("early",)),
        ),
        ("lower the learning rate", "LeakyReLU or GELU", "normalise the inputs"),
    ),
    "class-collapse": Advice(
        (
            Cause("the classes are unbalanced", (), ("blew-up",)),
            _RUINED,
            _LR_UNUSUAL,
            Cause("labels were mixed up", ("late",), ("divergence", "blew-up")),
        ),
        ("class weights", "go back to a checkpoint before it with a lower learning rate", "look at the labels"),
        "go back to a checkpoint before it with a lower learning rate",
    ),
    "below-baseline": Advice(
        (
            _RUINED,
            _LR_UNUSUAL,
            Cause("the learning rate is too small for so few steps", (), ("blew-up", "lr-unusual")),
            Cause("labels do not belong to the inputs"),
            Cause("the model is too small, or the classes too rare, for what the metric asks"),
        ),
        ("look at what it predicts", "try to learn one batch by heart", "train longer, if the loss still falls"),
    ),
    "overfitting": Advice(
        (
            Cause("there are few data for so large a model"),
            Cause("more epochs than the data bear", ("late",)),
            Cause("too little regularisation"),
        ),
        ("use the best checkpoint and stop", "fewer epochs", "more data", "more weight_decay or dropout"),
        "use the best checkpoint and stop",
    ),
    "oscillation": Advice(
        (Cause("the learning rate is too high", ("lr-at-peak",)), Cause("batches alternate between two kinds of data")),
        ("lower the learning rate", "shuffle, or larger batches"),
    ),
    "starting-loss": Advice(
        (
            Cause("inputs or targets are not normalised"),
            Cause("the loss is summed"),
            Cause("the last layer is too large"),
        ),
        ("normalise the inputs", "look at the reduction of the loss", "a smaller initialisation of the last layer"),
    ),
    "eval-better-than-train": Advice(
        (
            Cause("dropout or augmentation, which evaluations do without"),
            Cause("eval examples are among the training data"),
            Cause("the two losses are not reduced in the same way"),
        ),
        ("look for examples that are in both sets", "compare the losses of one batch in both modes"),
    ),
    "worse-than-sibling": Advice(
        (_LR_HIGH, Cause("other data, code or versions than that run had"), Cause("bad luck of the seed")),
        ("compare the configurations", "lower the learning rate"),
    ),
    "stall": Advice(
        (
            Cause("a collective operation that a rank does not take part in"),
            Cause("a deadlock in the data loader"),
            Cause("a file system or machine that does not answer"),
        ),
        ("look at the stacks of all threads", "num_workers = 0 as a test", "end it and resume"),
        "end it and resume",
    ),
    "slow-step": Advice(
        (
            Cause("another process on the machine", ("stale-gpu-process",)),
            Cause("waiting for data", ("data-bound", "data-waits"), ("data-comes",)),
            Cause("the GPU is too hot", ("throttling",), ("no-gpu",)),
            Cause("something that grows with every step", ("gpu-mem-leak", "ram-filling")),
        ),
        ("look at what else runs on the machine", "compare data_wait_s with step_s", "profile a step"),
    ),
    "cpu-fallback": Advice(
        (
            Cause("a build of torch without CUDA"),
            Cause("CUDA_VISIBLE_DEVICES is empty"),
            Cause("a driver older than torch needs"),
        ),
        (
            "traind doctor says which it is",
            'device = "cuda" fails instead of falling back',
            "stop it: on the CPU it takes many times as long",
        ),
        "stop it: on the CPU it takes many times as long",
    ),
    "gpu-mem-leak": Advice(
        (
            Cause("a loss or tensor is kept with its graph: append(loss) instead of loss.item()"),
            Cause("retain_graph=True"),
            Cause("hooks or caches that are never removed"),
        ),
        ("keep loss.item() or loss.detach()", "look for lists that grow with every step"),
    ),
    "oom-ahead": Advice(
        (Cause("memory leaks", ("gpu-mem-leak",)), Cause("the batch is too large"), Cause("longer inputs than before")),
        (
            "save now",
            "smaller batches, with accumulation",
            "gradient checkpointing",
            "PYTORCH_ALLOC_CONF=expandable_segments:True",
        ),
        "save now",
    ),
    "data-bound": Advice(
        (Cause("too few loader workers"), Cause("slow storage"), Cause("preparing samples takes longer than learning")),
        ("more workers, pinned memory, prefetching", "prepare and cache the samples once"),
    ),
    "stale-gpu-process": Advice(
        (Cause("a trainer of an earlier run that was never ended"), Cause("another user's work")),
        ("traind doctor shows who holds the GPU", "end the process if it is yours and done"),
    ),
    "low-utilisation": Advice(
        (Cause("waiting for data", ("data-bound",)), Cause("batches too small for the GPU")),
        ("larger batches", "more loader workers"),
    ),
    "disk-filling": Advice(
        (Cause("checkpoints"), Cause("another program on the same disk")),
        ("make room: older runs, checkpoints/superseded, caches", "[checkpoint] keep_last = 1"),
    ),
    "checkpoint-overdue": Advice(
        (Cause("saving fails or is skipped for want of room", ("disk-filling",)), Cause("saving takes very long")),
        ("look at the events for failed saves", "save now"),
        "save now",
    ),
    "ram-filling": Advice(
        (Cause("loader workers that keep what they have read"), Cause("lists that grow with every step")),
        ("fewer workers", "look for lists that grow with every step", "save now"),
        "save now",
    ),
    "throttling": Advice(
        (Cause("poor cooling or a high power limit"),),
        ("look at fans and air flow", "a lower power limit costs little speed"),
    ),
    "clock-jump": Advice((Cause("the clock was set, or the machine was suspended"),), ("a time service (NTP)",)),
}
"""By rule. Marks have none."""
