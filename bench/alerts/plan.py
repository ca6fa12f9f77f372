"""Which runs the corpus has: a pure function of the seed. Split into parts by seed and by family.

`dev`, `spent` and `second` are for tuning. `report` has seeds of its own and families that no run of them has.
"""

import random
from collections.abc import Callable, Iterator
from itertools import count

from bench.alerts.families import FAMILIES, own_families, shared_families
from bench.alerts.spec import HARD, Part, Spec

SEEDS: dict[Part, int] = {"dev": 1, "spent": 1, "second": 2, "report": 3}
"""What each part's plan is drawn from. Whoever has looked at `report` gives it another name and draws the next."""
SCHEDULES = ("constant", "linear", "cosine", "step", "sgdr")
BATCHES = (8, 16, 32, 64, 128, 256, 512)
ADAM_LR = {
    "lm": 4e-3,
    "lora": 4e-3,
    "recsys": 2e-2,
    "gru": 5e-3,
    "rl": 3e-3,
    "vae": 2e-3,
    "skipgram": 2e-2,
    "masked": 5e-3,
    "adapter": 5e-3,
}
"""The usual rate of each family; 3e-3 where there is none."""
SGD_LR = {"mlp": 0.03, "cnn": 0.02, "regression": 0.01, "recsys": 2.0}
"""Families that are also trained by SGD with momentum, and its usual rate."""
STEADIER = {"recsys": 0.8}
"""The same for later parts than `spent`: at 2.0 runs of it diverged by themselves before their fault had begun."""
_DEAR = ("tokens", "seqcls", "gru", "cnn", "masked", "adapter", "ctc", "ssm", "superres", "waves")
DEAREST = dict.fromkeys(_DEAR, 256) | {"lm": 128, "segment": 64}
"""The largest batch of families whose step takes its time."""
THRIFT = {"dev": 1, "spent": 4, "second": 4, "report": 4}
"""What their batches are divided by: the larger part is to be made in half an hour of one core."""
SEQUENCES = ("lm", "tokens", "seqcls", "gru", "textcnn", "tagger", "waves")
CLASSES = (
    *("mlp", "cnn", "lm", "tokens", "gru", "seqcls", "lora", "recsys"),
    *("textcnn", "match", "tabular", "reverse", "tagger", "graph"),
    *("masked", "waves", "experts", "modular", "segment", "bags", "proto", "adapter"),
)
UNEVEN = ("recsys", "tabular", "segment")
"""Those of them most of whose labels are alike."""
FLOATS = (
    *("mlp", "cnn", "regression", "autoencoder", "gru", "lora"),
    *("tabular", "siamese", "diffusion", "graph", "distil", "forecast"),
    *("counts", "waves", "flow", "ranking", "ctc", "experts", "ordinal", "segment", "bags", "ssm", "proto"),
    *("superres", "rare", "survival"),
)
SUPERVISED = tuple(name for name in FAMILIES if name not in ("rl", "vae"))
LABELLED = tuple(name for name in SUPERVISED if name != "flow")
"""Those that learn an answer, which can be a wrong one."""
POSITIVE = tuple(name for name in SUPERVISED if name not in ("flow", "counts"))
"""Those whose loss does not fall through zero."""
STEEP = tuple(
    name
    for name in SUPERVISED
    if name not in ("waves", "ranking", "ctc", "experts", "bags", "proto", "rare", "survival")
)
"""Those that larger inputs do harm: not where a norm divides by their size, nor where the loss bears it anyway."""
RELU = (
    *("mlp", "cnn", "autoencoder", "textcnn", "siamese", "distil", "forecast"),
    *("waves", "ctc", "modular", "ordinal", "segment", "counts", "superres"),
)

TINY = (
    *("mlp", "cnn", "tokens", "seqcls", "gru", "regression", "lm"),
    *("textcnn", "match", "tabular", "tagger", "graph", "distil", "forecast"),
    *("masked", "counts", "ranking", "ctc", "experts", "modular", "ordinal", "bags", "proto", "rare", "adapter"),
    *("survival", "skipgram"),
)
SHUFFLED = (
    *("mlp", "cnn", "tokens", "gru", "seqcls", "textcnn", "match", "tabular", "tagger", "graph", "reverse"),
    *("masked", "waves", "experts", "modular", "bags", "adapter"),
)
HEADED = (
    *("mlp", "cnn", "lm", "tokens", "gru", "seqcls", "textcnn", "match", "tabular", "tagger", "graph", "reverse"),
    *("masked", "waves", "modular", "bags", "adapter"),
)

NUM_PLAIN = {"dev": 84, "spent": 130, "second": 130, "report": 140}
NUM_OF_EACH_HARD = {"dev": 4, "spent": 7, "second": 7, "report": 7}
REPEATS = {"dev": 1, "spent": 2, "second": 2, "report": 2}
"""Runs of each fault at each size, times its weight."""
ONCE_MORE: dict[Part, tuple[str, ...]] = {
    "report": ("lr-ramp", "grad-scale", "tiny-lr", "tiny-data", "shuffled", "labels-ramp"),
}
"""Faults of which a part has one run more of each size: of their damage the parts before had few cases."""

HARD_FAMILIES: dict[str, tuple[str, ...]] = {
    "noise20": tuple(name for name in CLASSES if name not in ("lm", "recsys", "reverse")),
    "flat": (
        "mlp",
        "cnn",
        "tokens",
        "gru",
        "seqcls",
        "regression",
        "textcnn",
        "tabular",
        "tagger",
        "graph",
        "siamese",
        "masked",
        "waves",
        "ranking",
        "experts",
        "ordinal",
        "bags",
        "proto",
        "rare",
    ),
    "batch4": tuple(name for name in SUPERVISED if name != "skipgram"),
    "converged": (
        "mlp",
        "cnn",
        "tokens",
        "gru",
        "regression",
        "textcnn",
        "tagger",
        "graph",
        "reverse",
        "masked",
        "waves",
        "modular",
        "ssm",
        "ctc",
    ),
    "kl": ("vae",),
    "curriculum": SEQUENCES,
    "rl": ("rl",),
    "dropout": (
        *("mlp", "cnn", "lm", "tokens", "seqcls", "regression"),
        *("textcnn", "tabular", "siamese", "graph", "distil", "forecast"),
        *(
            "masked",
            "counts",
            "waves",
            "ranking",
            "modular",
            "ordinal",
            "bags",
            "proto",
            "superres",
            "rare",
            "survival",
        ),
    ),
    "fp16": tuple(name for name in SUPERVISED if name not in ("tokens", "lora", "recsys", "skipgram")),
    "sorted": tuple(
        name
        for name in SUPERVISED
        if name in (*FLOATS, "textcnn") and name not in ("lora", "flow", "superres", "segment")
    ),
}

SIZES: dict[str, tuple[tuple[float, ...], tuple[str, ...], int]] = {
    # fault: sizes from weak to strong, families, runs of each size
    "lr-jump": ((10, 30, 100, 300, 1000), SUPERVISED, 2),
    "lr-ramp": ((30, 100, 300, 1000, 3000), SUPERVISED, 1),
    "labels": ((0.1, 0.2, 0.35, 0.6, 1.0), LABELLED, 2),
    "labels-ramp": ((0.15, 0.25, 0.4, 0.7, 1.0), LABELLED, 1),
    "data": (
        (0.4, 0.8, 1.5, 3.0, 8.0),
        (*FLOATS, "lm", "tokens", "seqcls", "textcnn", "tagger", "reverse", "adapter"),
        1,
    ),
    "loss-weight": ((1.4, 2, 5, 20, 100), POSITIVE, 1),
    "detach": ((1, 1, 1), tuple(name for name in FAMILIES if name != "rl"), 2),
    "lr-zero": ((1, 1, 1), tuple(FAMILIES), 2),
    "freeze": ((0.01, 0.25, 0.5, 0.75, 1.0), SUPERVISED, 1),
    "spike": ((1.5, 2.5, 5, 20, 100), STEEP, 2),
    "grad-scale": ((10, 30, 100, 300, 1000), SUPERVISED, 1),
    "nan-input": ((1, 1), SUPERVISED, 2),
    "nan-loss": ((1, 3, 10, 50), SUPERVISED, 1),
    "tiny-data": ((200, 128, 64, 32, 16), TINY, 2),
    "shuffled": ((1, 1), SHUFFLED, 2),
    "tiny-lr": ((1e-4, 1e-5, 1e-6, 1e-7, 1e-8), SUPERVISED, 1),
    "high-lr": ((30, 100, 300, 1000, 10_000), SUPERVISED, 1),
    "dead-relu": ((0.6, 0.7, 0.8, 0.9, 1.0), RELU, 1),
    "collapse": ((0.9, 0.95, 0.98, 0.99, 1.0), tuple(name for name in CLASSES if name not in (*UNEVEN, "proto")), 1),
    "no-zero-grad": ((1, 1, 1), SUPERVISED, 1),
    "saturated": ((6, 8, 10, 12, 16), ("mlp",), 1),
    "bad-init": ((4, 10, 30, 100, 300), HEADED, 1),
    "scale-collapse": ((0.4, 0.55, 0.7, 0.85, 1.0), SUPERVISED, 1),
    "off-schedule": ((1.5, 2, 3, 5, 10), SUPERVISED, 1),
    "clip-tiny": ((10, 30, 100, 300, 1000), SUPERVISED, 1),
    "worse": ((0.1, 0.03, 10.0, 30.0, 100.0), SUPERVISED, 1),
    "eval-scale": ((1.5, 2.5, 5.0, 10.0, 30.0), SUPERVISED, 1),
}
FROM_START = (
    "tiny-data",
    "shuffled",
    "tiny-lr",
    "high-lr",
    "saturated",
    "bad-init",
    "off-schedule",
    "clip-tiny",
    "worse",
    "eval-scale",
)


class _Draw:
    """Draws the ordinary settings of one part's runs."""

    def __init__(self, part: Part, seed: int) -> None:
        self.part: Part = part
        self.random = random.Random(f"{'dev' if part == 'dev' else 'report'} {seed}")
        first = 10_000_000 * (1 + (part != "dev")) + 1000 * seed
        self._numbers = count(first)
        self._turn: dict[str, int] = {}

    def family(self, among: tuple[str, ...], key: str) -> str:
        """In turns, so that each has its share; where it may, every other run of a part is of a family of its own."""
        own = [name for name in among if name in own_families(self.part)]
        shared = [name for name in among if name in shared_families(self.part)]
        turn = self._turn[key] = self._turn.get(key, self.random.randrange(100)) + 1
        names = own if own and (turn % 2 or not shared) else shared
        return names[turn % len(names)] if self.part == "dev" else names[turn // 2 % len(names)]

    def spec(self, kind: str, family: str, **given: object) -> Spec:
        """A run of a family: what is not given is drawn."""
        r, number = self.random, next(self._numbers)
        steps = int(given.pop("steps", 0) or r.choice((300, 400, 500, 600, 800, 1000, 1500, 3000)))  # type: ignore[call-overload]
        largest = DEAREST.get(family, 512 * THRIFT[self.part]) // THRIFT[self.part]
        batches = [b for b in BATCHES if b <= largest and (steps < 1500 or b <= 64)]
        optimizer = "sgd" if family in SGD_LR and r.random() < 0.3 else "adam"
        by_sgd = SGD_LR if self.part in ("dev", "spent") else SGD_LR | STEADIER
        lr = by_sgd[family] if optimizer == "sgd" else ADAM_LR.get(family, 3e-3)
        schedule = r.choice(SCHEDULES)
        drawn: dict[str, object] = {
            "batch": r.choice(batches),
            "optimizer": optimizer,
            "lr": float(f"{lr * r.uniform(0.4, 1.0):.2g}"),
            "schedule": schedule,
            "warmup": steps // 20 if schedule in ("cosine", "linear") and r.random() < 0.7 else 0,
            "clip": r.choice((None, None, 5.0)) if family != "vae" else None,
            "log_every": r.choice((1, 1, 5, 10)),
            "eval_every": max(20, steps // r.choice((8, 10, 15, 20))),
        }
        return Spec(
            name=f"{self.part}-{number}-{family}-{kind}",
            part=self.part,
            family=family,
            seed=number,
            steps=steps,
            **{**drawn, **given},  # type: ignore[arg-type]
        )


def _healthy(draw: _Draw) -> Iterator[Spec]:
    for _ in range(NUM_PLAIN[draw.part]):
        family = draw.family(SUPERVISED + (("vae",) if draw.random.random() < 0.3 else ()), "plain")
        yield draw.spec("plain", family)
    for hard in (name for name in HARD if name != "sibling"):
        for i in range(NUM_OF_EACH_HARD[draw.part]):
            family = draw.family(HARD_FAMILIES.get(hard, SUPERVISED), hard)
            yield draw.spec(hard, family, hard=hard, **_of_hard(draw.random, hard, i))


def _of_hard(r: random.Random, hard: str, i: int) -> dict[str, object]:
    """What a hard negative needs."""
    match hard:
        case "sgdr":
            return {"schedule": "sgdr", "warmup": 0}
        case "batch4":
            return {"batch": 4, "lr": 1e-3, "optimizer": "adam"}
        case "decay0":
            return {"schedule": "linear"}
        case "flat":
            return {"schedule": "constant", "lr": 1e-5, "optimizer": "adam", "steps": r.choice((400, 600, 1000))}
        case "converged":
            steps = r.choice((1500, 2000, 3000))
            return {"steps": steps, "batch": r.choice((16, 32, 64)), "eval_every": steps // 10, "optimizer": "adam"}
        case "kl" | "rl":
            return {"steps": (500, 1000, 2000)[i % 3], "clip": None, "optimizer": "adam"}
        case "fp16" | "curriculum" | "resume":
            return {"steps": r.choice((600, 1000, 1500)), "log_every": r.choice((1, 1, 5))}
        case "sorted":
            return {"steps": r.choice((600, 1000)), "batch": r.choice((16, 32))}
    return {}


def _faulty(draw: _Draw) -> Iterator[Spec]:
    for fault, (sizes, among, weight) in SIZES.items():
        for level, size in enumerate(sizes, 1):
            for i in range(REPEATS[draw.part] * weight + (fault in ONCE_MORE.get(draw.part, ()))):
                family = draw.family(among, fault)
                yield _of_fault(draw, fault, family, level, size, i)


_Given = dict[str, object]


def _ramp(r: random.Random) -> _Given:
    return {"steps": 1500, "at": 10 * r.randint(40, 60), "over": 400, "schedule": "constant"}


def _with_rate(r: random.Random, family: str, size: float) -> _Given:
    lr = float(f"{ADAM_LR.get(family, 3e-3) * size:.2g}")
    return {"lr": lr, "optimizer": "adam", "schedule": r.choice(("constant", "cosine")), "warmup": 0}


_EXTRAS: dict[str, Callable[[random.Random, str, float], _Given]] = {
    "lr-jump": lambda _r, _family, _size: {"schedule": "constant"},
    "lr-ramp": lambda r, _family, _size: _ramp(r),
    "labels-ramp": lambda r, _family, _size: _ramp(r),
    "spike": lambda _r, _family, _size: {"lasts": 1, "log_every": 1},
    "nan-input": lambda _r, _family, _size: {"lasts": 1, "log_every": 1},
    "nan-loss": lambda _r, _family, size: {"lasts": int(size)},
    "tiny-data": lambda r, _family, _size: {
        "batch": 16,
        "eval_every": 25,
        "steps": r.choice((600, 1000)),
        "schedule": "constant",
    },
    "tiny-lr": _with_rate,
    "high-lr": _with_rate,
    "shuffled": lambda r, _family, _size: {"batch": r.choice((32, 64)), "steps": 600},
    "off-schedule": lambda r, _family, _size: {"schedule": r.choice(("linear", "cosine")), "warmup": 40},
    "saturated": lambda _r, _family, _size: {"optimizer": "adam", "lr": 3e-3, "clip": None},
    "clip-tiny": lambda _r, _family, _size: {"optimizer": "adam", "lr": 3e-3, "clip": None},
    "grad-scale": lambda r, _family, _size: {"optimizer": "adam", "clip": r.choice((None, 1.0))},
    "scale-collapse": lambda r, _family, _size: {"log_every": r.choice((1, 1, 5))},
    "worse": _with_rate,
}
"""What a fault asks of the rest of its run."""


def _of_fault(draw: _Draw, fault: str, family: str, level: int, size: float, turn: int) -> Spec:
    """One run with a fault. It acts after a third to a half, once there is progress to lose, or from the start."""
    r = draw.random
    steps = r.choice((600, 800, 1000, 1500))
    given: _Given = {"steps": steps, "fault": fault, "size": float(size), "level": level}
    is_early = fault in FROM_START or (fault == "freeze" and turn % 2 == 1)
    is_early = is_early or (fault in ("dead-relu", "no-zero-grad") and level % 2 == 1)
    if not is_early:
        # on a multiple of 10, so that every log interval has the step
        at = 10 * (r.randint(steps // 3, steps // 2) // 10)
        given |= {"at": at, "schedule": r.choice(("constant", "cosine", "step"))}
    if fault in _EXTRAS:
        given |= _EXTRAS[fault](r, family, size)
    return draw.spec(fault, family, **given)


def plan(part: Part, seed: int) -> list[Spec]:
    """Every trained run of one part, in the order in which they are made: healthy and faulty ones mixed."""
    draw = _Draw(part, seed)
    specs = [*_healthy(draw), *_faulty(draw)]
    specs += [
        draw.spec("sibling", draw.family(SUPERVISED, "sibling"), hard="sibling")
        for _ in range(2 * NUM_OF_EACH_HARD[part])
    ]
    draw.random.shuffle(specs)
    return specs
