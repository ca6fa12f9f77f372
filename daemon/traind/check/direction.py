"""Whether the metric that chooses the best checkpoint is known to be one that rises or one that falls. Pure."""

from collections.abc import Iterator

from rundir.direction import is_lower_better
from traind.check.finding import Finding, warn
from traind.config import Config

_SCORES = (
    *("accuracy", "acc", "f1", "f_beta", "precision", "recall", "sensitivity", "specificity"),
    *("auc", "auroc", "roc_auc", "auprc", "pr_auc", "ap", "map", "ndcg", "mrr", "mcc", "kappa"),
    *("iou", "miou", "dice", "jaccard", "bleu", "rouge", "chrf", "meteor", "exact_match", "em"),
    *("r2", "pearson", "spearman", "psnr", "ssim", "score", "correlation"),
)
_PREFIXES = ("eval_", "macro_", "micro_", "weighted_", "balanced_", "mean_", "top1_", "top5_")


def examine_direction(config: Config) -> Iterator[Finding]:
    """A row where a program of the user's own measures something of another name and nothing says which way is up."""
    metric = config.eval.metric
    if config.task.kind != "custom" or config.eval.direction is not None:
        return
    if not is_lower_better(metric) and not _is_score(metric):
        yield warn("direction", f"{metric}: higher is taken as better", 'set eval.direction = "higher" or "lower"')


def _is_score(name: str) -> bool:
    name = name.casefold()
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name in _SCORES
