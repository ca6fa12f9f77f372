"""The faults of a configuration that no key shows alone: what contradicts, lacks a companion, or would do nothing."""

import re
from typing import TYPE_CHECKING

from rundir.alerts import RULES
from rundir.records import Severity
from traind import config_near
from traind.idle_key import idle_keys

if TYPE_CHECKING:
    from traind.config import Config

LANGUAGE_METRICS = ("perplexity", "bits_per_char", "token_accuracy")
"""What an evaluation of a causal-lm measures, `loss` aside."""


def cross_faults(config: "Config", source: str) -> list[str]:
    """One text a fault, with file, key and cure; `source` is the file."""
    faults = _custom_faults(config, source) if config.task.kind == "custom" else _text_faults(config, source)
    faults += _idle_faults(config, source)
    faults += _distributed_faults(config, source)
    faults += _alert_faults(config, source)
    faults += _binding_faults(config, source)
    faults += _notify_faults(config, source)
    if config.train.min_lr and (config.train.schedule != "cosine" or config.train.min_lr > config.train.lr):
        faults.append(
            f'{source}: train.min_lr = {config.train.min_lr}: needs schedule = "cosine" and a higher train.lr'
        )
    for key, every in (("eval.every", config.eval.every), ("checkpoint.every", config.checkpoint.every)):
        if isinstance(every, int) and every < 1:
            faults.append(f'{source}: {key} = {every}: give a number of steps from 1, or "epoch"')
    return faults


def _alert_faults(config: "Config", source: str) -> list[str]:
    faults: list[str] = []
    for name, values in config.alerts.limits.items():
        rule, key = RULES.get(name.replace("_", "-")), f"{source}: alerts.limits.{name}"
        if rule is None:
            faults.append(f"{key}: no alert rule of that name; {config_near.value_cure(name, list(RULES))}")
            continue
        known = ", ".join(rule.limits) or "none"
        strange = sorted(values.keys() - rule.limits.keys())
        faults += [f"{key}.{each}: no threshold of that rule; there are {known}" for each in strange]
    return faults


def _binding_faults(config: "Config", source: str) -> list[str]:
    faults: list[str] = []
    names: set[str] = set()
    for name in config.policy.on_alert:
        rule, key = RULES.get(name.replace("_", "-")), f"{source}: policy.on_alert.{name}"
        if rule is None:
            faults.append(f"{key}: no alert rule of that name; {config_near.value_cure(name, list(RULES))}")
        elif rule.name == "stall":
            faults.append(f"{key}: what follows a stall is policy.on_stall; set that instead")
        elif rule.gravest is Severity.INFO:
            faults.append(f"{key}: is never more than a mark, which nothing acts on; leave it out")
        elif rule.name in names:
            faults.append(f"{key}: stands there twice, with - and with _; leave one out")
        elif not getattr(config.alerts, rule.name.replace("-", "_")):
            faults.append(f"{key}: that rule is switched off; leave alerts.{rule.name.replace('-', '_')} on")
        names.add(name.replace("_", "-"))
    return faults


def _notify_faults(config: "Config", source: str) -> list[str]:
    notify = config.notify
    if notify.urls_env is not None and notify.urls_file is not None:
        return [f"{source}: notify.urls_file: there is notify.urls_env as well; give one of the two"]
    if notify != type(notify)() and not notify.is_on:
        return [f"{source}: notify: names nobody to tell; give notify.urls_env, urls_file or command"]
    if any(not word for word in notify.command[:1]):
        return [f'{source}: notify.command: begins with an empty text; give a program, e.g. ["notify-send", "traind"]']
    return []


def _idle_faults(config: "Config", source: str) -> list[str]:
    """What this kind of task would leave undone without a word."""
    faults = [f"{source}: {key}: {why}; leave it out" for key, why in idle_keys(config).items()]
    if config.eval.direction == "higher" and config.eval.metric == "loss":
        faults.append(f"{source}: eval.direction: of the loss the lower is the better; leave it out")
    return faults


def _distributed_faults(config: "Config", source: str) -> list[str]:
    nproc, device = config.distributed.nproc, config.train.device
    faults = _host_faults(config, source)
    if nproc in ("auto", 1):
        return faults
    return faults + _nproc_faults(nproc, device, source)


def _host_faults(config: "Config", source: str) -> list[str]:
    nnodes, endpoint = config.distributed.nnodes, config.distributed.rdzv_endpoint
    if nnodes > 1 and not re.fullmatch(r"[^:\s]+:\d{1,5}", endpoint):
        cure = "give HOST:PORT of the host that starts the run, with a port that is free there"
        return [f"{source}: distributed.rdzv_endpoint = {endpoint!r}: {cure}"]
    if nnodes == 1 and endpoint:
        return [f"{source}: distributed.rdzv_endpoint: is for nnodes > 1; leave it out"]
    return []


def _nproc_faults(nproc: int | str, device: str, source: str) -> list[str]:
    key = f"{source}: distributed.nproc = {nproc}"
    if isinstance(nproc, int) and nproc < 1:
        return [f'{key}: give a number of processes from 1, or "auto"']
    if device == "mps":
        return [f'{key}: Apple\'s GPU trains one process; leave it out, or set train.device = "cpu"']
    if ":" in device:
        return [
            f'{key}: train.device = "{device}" is one GPU; set it to "cuda" and CUDA_VISIBLE_DEVICES to those meant'
        ]
    return []


def _custom_faults(config: "Config", source: str) -> list[str]:
    faults = []
    if config.task.factory is None:
        faults.append(f'{source}: task.factory: missing; name your function, e.g. factory = "digits:make"')
    elif not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", config.task.factory):
        faults.append(f"{source}: task.factory = {config.task.factory!r}: write it as package.module:function")
    if config.lora.r:
        faults.append(f"{source}: lora.r: a custom task brings its own model, adapters included; leave [lora] out")
    return faults


def _text_faults(config: "Config", source: str) -> list[str]:
    faults = []
    if not config.data.train:
        faults.append(f'{source}: data.train: missing; name the training data, e.g. train = "sample:propaganda"')
    if (config.model.pretrained is None) == (config.model.init is None):
        faults.append(f'{source}: model: give either pretrained = "NAME or DIRECTORY" or init = "scratch", not both')
    if config.lora.r and not config.lora.targets:
        faults.append(f'{source}: lora.targets: missing; name modules of the model, e.g. ["q_lin", "v_lin"]')
    if config.lora.r and config.model.init == "scratch":
        faults.append(f'{source}: lora.r: random weights are nothing to adapt; give model.pretrained, or init = "mlm"')
    if config.model.dtype == "bf16" and not config.lora.r:
        cure = 'set lora.r, or take train.precision = "bf16"'
        faults.append(f'{source}: model.dtype = "bf16": most updates of weights that coarse round to nothing; {cure}')
    if config.model.init == "mlm" and config.task.kind == "causal-lm":
        faults.append(
            f'{source}: model.init = "mlm": makes an encoder; a causal-lm starts from "scratch" or pretrained'
        )
    if config.task.kind != "text-classification" and config.data.stride > config.data.max_length - 4:
        faults.append(f"{source}: data.stride = {config.data.stride}: must be smaller than data.max_length - 3")
    if config.model.init and config.model.dim % config.model.n_heads:
        faults.append(f"{source}: model.dim = {config.model.dim}: must be a multiple of model.n_heads")
    return faults + (_language_faults(config, source) if config.task.kind == "causal-lm" else [])


def _language_faults(config: "Config", source: str) -> list[str]:
    if config.eval.metric not in ("loss", *LANGUAGE_METRICS):
        known = ", ".join(("loss", *LANGUAGE_METRICS))
        return [f'{source}: eval.metric = {config.eval.metric!r}: a causal-lm has {known}; take "loss"']
    return []
