"""The part of a check that needs no torch, in a fraction of a second: `start` runs it too."""

from traind.check.finding import Finding
from traind.check.plan import examine_known_length, examine_plan, plan_of
from traind.check.rows import examine_rows
from traind.check.targets import examine_targets
from traind.config import Config
from traind.data.survey import Survey


def examine_data(config: Config, survey: Survey) -> list[Finding]:
    """Texts and labels, in the order of the table."""
    is_weighted = config.task.class_weights != "none"
    is_held_out = config.data.eval is None
    return [*examine_rows(survey), *examine_targets(survey, is_weighted=is_weighted, is_held_out=is_held_out)]


def examine_early(config: Config, survey: Survey | None) -> list[Finding]:
    """What can be said before torch is loaded: the data, and the plan where every text is one example.

    `survey` is None where the data is a custom task's own. Of another task's plan only the warm-up can be known.
    """
    findings = [] if survey is None else examine_data(config, survey)
    if survey is not None and len(survey.train) and config.task.kind == "text-classification":
        return [*findings, *examine_plan(config, plan_of(config, len(survey.train)))]
    return [*findings, *examine_known_length(config)]
