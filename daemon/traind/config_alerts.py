"""The section [alerts] of a configuration: which rules run, and thresholds of theirs that differ from the defaults."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Alerts(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """[alerts]: which rules run."""

    non_finite: Annotated[bool, Meta(description="loss or gradient norm that is NaN or infinite")] = True
    loss_scale_collapse: Annotated[bool, Meta(description="fp16 loss scale that has collapsed")] = True
    loss_spike: Annotated[bool, Meta(description="loss far above those before it")] = True
    divergence: Annotated[bool, Meta(description="level of the loss rising over its best")] = True
    overfitting: Annotated[bool, Meta(description="eval loss rising over its best while train loss falls")] = True
    not_learning: Annotated[bool, Meta(description="loss that stays where it began")] = True
    chance_level: Annotated[bool, Meta(description="accuracy no better than chance")] = True
    grad_explode: Annotated[bool, Meta(description="gradient norm many times the usual")] = True
    grad_zero: Annotated[bool, Meta(description="gradient norm that is exactly zero")] = True
    grad_vanish: Annotated[bool, Meta(description="gradient norm that fades away while the loss stays high")] = True
    lr_zero: Annotated[bool, Meta(description="learning rate that is exactly zero before the end")] = True
    lr_off_schedule: Annotated[bool, Meta(description="learning rate far from the configured schedule")] = True
    tiny_updates: Annotated[bool, Meta(description="updates minute against the weights, and little learnt")] = True
    frozen: Annotated[bool, Meta(description="trainable tensors that updates leave as they are")] = True
    dead_relu: Annotated[bool, Meta(description="layers most of whose ReLU units no input activates")] = True
    class_collapse: Annotated[bool, Meta(description="predictions of one class alone")] = True
    below_baseline: Annotated[bool, Meta(description="evaluations no better than a program without a model")] = True
    starting_loss: Annotated[bool, Meta(description="first loss far above ln(classes)")] = True
    always_clipping: Annotated[bool, Meta(description="clipping on nearly every step")] = True
    eval_better_than_train: Annotated[bool, Meta(description="eval loss far below the train loss")] = True
    plateau: Annotated[bool, Meta(description="loss that no longer falls")] = True
    oscillation: Annotated[bool, Meta(description="loss swinging from record to record")] = True
    worse_than_sibling: Annotated[
        bool, Meta(description="loss above that of an earlier run of the same configuration")
    ] = True
    stall: Annotated[bool, Meta(description="no progress for far longer than ever before")] = True
    slow_step: Annotated[bool, Meta(description="steps that take longer than they used to")] = True
    data_bound: Annotated[bool, Meta(description="steps that wait for data")] = True
    cpu_fallback: Annotated[bool, Meta(description="training on the CPU beside a GPU")] = True
    gpu_mem_leak: Annotated[bool, Meta(description="allocated GPU memory that grows steadily")] = True
    oom_ahead: Annotated[bool, Meta(description="GPU memory that will be full soon")] = True
    low_utilisation: Annotated[bool, Meta(description="a GPU that has little to do")] = True
    stale_gpu_process: Annotated[bool, Meta(description="GPU memory held by processes of no live run")] = True
    throttling: Annotated[bool, Meta(description="a GPU so hot that it slows down")] = True
    ram_filling: Annotated[bool, Meta(description="host memory that fills up")] = True
    disk_filling: Annotated[bool, Meta(description="disk that fills up")] = True
    checkpoint_overdue: Annotated[bool, Meta(description="newest checkpoint older than planned")] = True
    clock_jump: Annotated[bool, Meta(description="wall clock that jumped")] = True
    new_best: Annotated[bool, Meta(description="a new best evaluation")] = True
    ended: Annotated[bool, Meta(description="the end of the run")] = True
    crashed: Annotated[bool, Meta(description="a crash of the trainer")] = True
    restarted: Annotated[bool, Meta(description="a restart by the supervisor")] = True
    limits: Annotated[
        dict[str, dict[str, float]],
        Meta(description="thresholds by rule and name, e.g. [alerts.limits.divergence] lost = 0.3; see docs/alerts.md"),
    ] = {}

    def switches(self) -> dict[str, bool]:
        """Which rules are on, by the names of their fields."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if name != "limits"}
