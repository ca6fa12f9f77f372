"""What is trained: for each family a net, its data and its loss. Same spec, same task.

Most data come from fixed random teachers with examples enough, so that a run overfits only where it is made to.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from bench.alerts import families_2, families_3, nets
from bench.alerts.digits import digits
from bench.alerts.spec import Part, Spec
from bench.alerts.task import Task, cross_entropy, dropout, num_train, pool, split, squares


def mlp(spec: Spec, g: torch.Generator) -> Task:
    """Ten overlapping classes in 20 dimensions, bent by a random layer."""
    k, easy = 10, spec.hard in ("converged", "flat")
    centres = torch.randn(k, 8, generator=g) * (4.0 if easy else 1.3)
    n = pool(spec, 600)
    y = torch.randint(0, k, (n,), generator=g)
    x = torch.tanh((centres[y] + torch.randn(n, 8, generator=g)) @ (0.4 * torch.randn(8, 20, generator=g)))
    x = x / x.std()
    if spec.fault == "saturated":
        model: nn.Module = nets.Mlp(20, 32, int(spec.size), k, act="sigmoid")
    else:
        model = nets.Mlp(20, 48, 2, k, dropout=dropout(spec))
    return Task(model, *split(spec, x, y, 600), criterion=cross_entropy, num_classes=k)


def cnn(spec: Spec, g: torch.Generator) -> Task:
    """scikit-learn's digits, noise as augmentation."""
    x, y = digits()
    order = torch.randperm(len(x), generator=g)
    x, y = (x[order] - 0.3) * 2.5, y[order]
    easy = spec.fault == "tiny-data" or spec.hard in ("converged", "flat")
    parts = split(spec, x, y, 400)
    model = nets.Cnn(10, dropout=dropout(spec))
    return Task(model, *parts, criterion=cross_entropy, num_classes=10, jitter=0.0 if easy else 1.0)


def gru(spec: Spec, g: torch.Generator) -> Task:
    """Which of six hidden motifs runs through a noisy sequence."""
    k, t = 6, 12
    motif = torch.randn(k, t, 6, generator=g)
    n = pool(spec, 500)
    y = torch.randint(0, k, (n,), generator=g)
    noise = 0.6 if spec.hard in ("converged", "flat") else 2.2
    x = motif[y] + noise * torch.randn(n, t, 6, generator=g)
    return Task(nets.Gru(6, 24, k), *split(spec, x, y, 500), criterion=cross_entropy, num_classes=k, is_sequence=True)


@lru_cache
def _letters() -> tuple[Tensor, int]:
    """Python's own help texts as character numbers: 465,000 of them, the 60 most frequent told apart."""
    from collections import Counter
    from pydoc_data.topics import topics

    text = "".join(topics[name] for name in sorted(topics))
    known = {c: i + 1 for i, (c, _) in enumerate(Counter(text).most_common(59))}
    return torch.tensor([known.get(c, 0) for c in text]), 60


def lm(spec: Spec, g: torch.Generator) -> Task:
    """A transformer over the characters of English help texts."""
    text, vocab = _letters()
    context, held = 24, 100
    cut = len(text) * 9 // 10
    n = num_train(spec, pool(spec, 0))
    starts = torch.randint(0, cut - context - 1, (n,), generator=g)
    ends = torch.randint(cut, len(text) - context - 1, (held,), generator=g)
    windows = [text[(at[:, None] + torch.arange(context + 1))] for at in (starts, ends)]
    (x, y), (held_x, held_y) = ((w[:, :-1], w[:, 1:]) for w in windows)
    model = nets.Transformer(vocab, 32, vocab, causal=True, dropout=dropout(spec))
    return Task(model, x, y, held_x, held_y, criterion=cross_entropy, num_classes=vocab, is_sequence=True)


def tokens(spec: Spec, g: torch.Generator) -> Task:
    """Tags of tokens: what a token is, unless the one before it says otherwise. Six in ten are "other"."""
    vocab, t, n, k = 60, 12, pool(spec, 200), 5
    kind = torch.where(torch.rand(vocab, generator=g) < 0.6, 0, torch.randint(1, k, (vocab,), generator=g))
    flips = torch.rand(vocab, generator=g) < 0.2
    x = torch.randint(0, vocab, (n, t), generator=g)
    before = torch.cat([x[:, :1], x[:, :-1]], 1)
    y = torch.where(flips[before] & (kind[x] > 0), kind[x] % (k - 1) + 1, kind[x])
    if spec.hard not in ("converged", "flat"):
        y = torch.where(torch.rand(n, t, generator=g) < 0.04, torch.randint(0, k, (n, t), generator=g), y)
    model = nets.Transformer(vocab, 24, k, dropout=dropout(spec))
    return Task(model, *split(spec, x, y, 200), criterion=cross_entropy, num_classes=k, is_sequence=True)


def seqcls(spec: Spec, g: torch.Generator) -> Task:
    """Whether a sequence of tokens is good or bad: their worths added up, each turned round after a negation."""
    vocab, t, n = 80, 14, pool(spec, 500)
    worth = torch.randn(vocab, generator=g)
    negates = torch.rand(vocab, generator=g) < 0.1
    x = torch.randint(0, vocab, (n, t), generator=g)
    before = torch.cat([x[:, :1], x[:, :-1]], 1)
    total = torch.where(negates[before], -worth[x], worth[x]).sum(1)
    if spec.hard not in ("converged", "flat"):
        total = total + torch.randn(n, generator=g)
    y = (total > 0).long()
    model = nets.Transformer(vocab, 24, 2, pooled=True, dropout=dropout(spec))
    return Task(model, *split(spec, x, y, 500), criterion=cross_entropy, num_classes=2, is_sequence=True)


def lora(spec: Spec, g: torch.Generator) -> Task:
    """Adapters on a net trained for the classes in another order and under another warp of the inputs."""
    task = mlp(spec, g)
    model = task.model
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(200):
        at = torch.randint(0, len(task.x), (64,), generator=g)
        optimizer.zero_grad()
        cross_entropy(model(task.x[at]), (task.y[at] + 3) % 10, 0).backward()
        optimizer.step()
    turn = torch.linalg.qr(torch.randn(20, 20, generator=g))[0]
    task.x, task.held_x = task.x @ turn, task.held_x @ turn
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    if isinstance(model, nets.Mlp):
        for i, layer in enumerate(model.body):
            if isinstance(layer, nn.Linear):
                model.body[i] = nets.Lora(layer, 6)
        model.head = nets.Lora(model.head, 6)  # type: ignore[assignment]
    return task


def regression(spec: Spec, g: torch.Generator) -> Task:
    """A noisy teacher of ten inputs."""
    n = pool(spec, 500)
    teacher = nets.Mlp(10, 16, 2, 1, act="tanh")
    x = torch.randn(n, 10, generator=g)
    with torch.no_grad():
        y = teacher(x)
        y = (y - y.mean()) / y.std()
    y = y + (0.0 if spec.hard in ("converged", "flat") else 0.3) * torch.randn(n, 1, generator=g)
    return Task(nets.Mlp(10, 48, 2, 1, dropout=dropout(spec)), *split(spec, x, y, 500), criterion=squares)


def autoencoder(spec: Spec, g: torch.Generator) -> Task:
    """The digits through a code of eight."""
    x, _ = digits()
    x = x[torch.randperm(len(x), generator=g)] * 2.0
    return Task(nets.Autoencoder(8), *split(spec, x, x.clone(), 400), criterion=squares)


def vae(spec: Spec, g: torch.Generator) -> Task:
    """The digits through a Gaussian code; as the hard negative its KL weight grows over the first half."""
    x, _ = digits()
    x = x[torch.randperm(len(x), generator=g)] * 2.0
    ramp = spec.steps // 2 if spec.hard == "kl" else 0

    def criterion(out: Tensor, y: Tensor, step: int) -> Tensor:
        made, mean, log_var = out[:, :64], out[:, 64:68], out[:, 68:]
        kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean()
        weight = min(1.0, step / ramp) if ramp else 1.0
        return 3.0 * ((made - y) ** 2).sum(1).mean() + weight * kl

    return Task(nets.Vae(4), *split(spec, x, x.clone(), 400), criterion=criterion)


def rl(spec: Spec, g: torch.Generator) -> Task:
    """REINFORCE with a baseline on a contextual bandit: the surrogate loss hovers around zero."""
    n, actions = pool(spec, 500), 4
    x = torch.randn(n, 6, generator=g)
    value = torch.tanh(x @ torch.randn(6, actions, generator=g))

    def criterion(out: Tensor, y: Tensor, _step: int) -> Tensor:
        chosen = torch.distributions.Categorical(logits=out)
        action = chosen.sample()
        reward = y.gather(1, action[:, None])[:, 0] + 0.3 * torch.randn(len(y))
        advantage = reward - reward.mean()
        return -(advantage * chosen.log_prob(action)).mean() - 0.01 * chosen.entropy().mean()

    return Task(nets.Mlp(6, 32, 2, actions, act="tanh"), *split(spec, x, value, 500), criterion=criterion, signed=True)


def recsys(spec: Spec, g: torch.Generator) -> Task:
    """Whether a user takes an item: a matrix of low rank, seen with noise; three in ten are taken."""
    users, items, n = 60, 40, pool(spec, 2000)
    left, right = torch.randn(users, 3, generator=g), torch.randn(items, 3, generator=g)
    x = torch.stack([torch.randint(0, users, (n,), generator=g), torch.randint(0, items, (n,), generator=g)], 1)
    score = 2.0 * (left[x[:, 0]] * right[x[:, 1]]).sum(1) - 1.5
    if spec.hard in ("converged", "flat"):
        y = (score > 0).long()
    else:
        y = (torch.rand(n, generator=g) < torch.sigmoid(score)).long()
    return Task(nets.Factors(users, items, 6), *split(spec, x, y, 2000), criterion=cross_entropy, num_classes=2)


FAMILIES: dict[str, Callable[[Spec, torch.Generator], Task]] = {
    each.__name__: each
    for each in (
        *(mlp, cnn, lm, tokens, regression, autoencoder, vae, rl, gru, seqcls, lora, recsys),
        *families_2.FAMILIES,
        *families_3.FAMILIES,
    )
}
ARRIVALS: dict[Part, tuple[str, ...]] = {
    "dev": ("mlp", "cnn", "lm", "tokens", "regression", "autoencoder", "vae", "rl"),
    "spent": ("gru", "seqcls", "lora", "recsys"),
    "second": tuple(each.__name__ for each in families_2.FAMILIES),
    "report": tuple(each.__name__ for each in families_3.FAMILIES),
}
"""The families that each part was the first to have, in the order of the parts."""


def own_families(part: Part) -> tuple[str, ...]:
    """Families that no part before it has."""
    return () if part == "dev" else ARRIVALS[part]


def shared_families(part: Part) -> tuple[str, ...]:
    """Those that a part has from the ones before it, in the order of `FAMILIES`; `spent` is a twin of `dev`."""
    earlier = list(ARRIVALS)[: max(1, list(ARRIVALS).index(part))]
    return tuple(name for name in FAMILIES if any(name in ARRIVALS[each] for each in earlier))


def build(spec: Spec) -> Task:
    """The task of a spec; sets torch's global seed."""
    torch.manual_seed(spec.seed)
    task = FAMILIES[spec.family](spec, torch.Generator().manual_seed(spec.seed))
    if spec.hard == "noise20" and task.num_classes:
        wrong = torch.rand(task.y.shape) < 0.2
        task.y = torch.where(wrong, torch.randint(0, task.num_classes, task.y.shape), task.y)
    if spec.fault == "shuffled":
        task.y = task.y.reshape(-1)[torch.randperm(task.y.numel())].view(task.y.shape)
    if spec.hard == "sorted":
        _sort(task)
    if spec.hard == "flat":
        task.pretrain = 400
    return task


def _sort(task: Task) -> None:
    """Order the examples by size of the inputs, half of them at random: the loss follows the epoch."""
    score = task.x.float().flatten(1).norm(dim=1)
    score = (score - score.mean()) / score.std() + 0.7 * torch.randn(len(score))
    order = score.argsort()
    task.x, task.y = task.x[order], task.y[order]


def prior(task: Task) -> tuple[float, float] | None:
    """Share of the most frequent class, and the entropy (nats) of the classes, the loss of knowing nothing."""
    if task.num_classes is None:
        return None
    share = torch.bincount(task.y.reshape(-1), minlength=task.num_classes) / task.y.numel()
    entropy = -sum(p * math.log(p) for p in share.tolist() if p > 0)
    return float(share.max()), entropy
