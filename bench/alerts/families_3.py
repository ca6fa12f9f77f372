"""The families that the part of seed 3 was the first to have, of other natures than those before: data and losses."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bench.alerts import nets, nets_3
from bench.alerts.spec import Spec
from bench.alerts.task import EASY, Task, cross_entropy, dropout, mislabelled, pool, split, squares


def margins(out: Tensor, y: Tensor, _step: int) -> Tensor:
    """The logistic loss of answers that are +1 or -1."""
    return F.softplus(-y * out).mean()


def masked(spec: Spec, g: torch.Generator) -> Task:
    """Two hidden tokens of a text whose every token mostly says which comes next, some being frequent."""
    vocab, t, k, n = 20, 12, 2, min(pool(spec, 200), 30_000)
    follows = torch.randperm(vocab, generator=g)
    often = (1.0 / torch.arange(1, vocab + 1)).expand(n, vocab)
    surely = 1.0 if spec.hard in EASY else 0.8
    x = torch.multinomial(often, t, replacement=True, generator=g)
    goes_on = torch.rand(n, t, generator=g) < surely
    for i in range(1, t):
        x[:, i] = torch.where(goes_on[:, i], follows[x[:, i - 1]], x[:, i])
    places = torch.rand(n, t - 1, generator=g).argsort(1)[:, :k] + 1
    y = x.gather(1, places)
    net = nets_3.Masked(vocab, 24, t, dropout(spec))
    return Task(net, *split(spec, torch.cat([x, places], 1), y, 200), criterion=cross_entropy, num_classes=vocab)


def counts(spec: Spec, g: torch.Generator) -> Task:
    """How many events there will be, by the Poisson likelihood: a loss that falls through zero."""
    n = pool(spec, 500)
    x = torch.randn(n, 10, generator=g)
    with torch.no_grad():
        rate = nets.Mlp(10, 16, 1, 1, act="tanh")(x)
        rate = torch.exp(0.7 * (rate - rate.mean()) / rate.std() + 0.6)
    y = torch.poisson(rate, generator=g)

    def criterion(out: Tensor, y: Tensor, _step: int) -> Tensor:
        return (torch.exp(out) - y * out).mean()

    net = nets.Mlp(10, 32, 2, 1, dropout=dropout(spec))
    return Task(net, *split(spec, x, y, 500), criterion=criterion, has_opposites=False)


def waves(spec: Spec, g: torch.Generator) -> Task:
    """Which of five shapes a sound has, at any pitch and phase, behind noise."""
    n, t, k = min(pool(spec, 400), 40_000), 48, 5
    y = torch.randint(0, k, (n,), generator=g)
    turns = (0.06 + 0.1 * torch.rand(n, 1, generator=g)) * torch.arange(t) + torch.rand(n, 1, generator=g)
    part = turns % 1.0
    sine = torch.sin(2.0 * math.pi * part)
    hum = torch.sin(6.0 * math.pi * part)
    shapes = torch.stack([1.4 * sine, sine.sign(), 3.4 * (part - 0.5), sine + hum, 3.0 * (part < 0.15) - 0.45], 1)
    noise = 0.1 if spec.hard in EASY else 0.7
    x = shapes[torch.arange(n), y] + noise * torch.randn(n, t, generator=g)
    return Task(
        nets_3.Waves(k, dropout(spec)),
        *split(spec, x, y, 400),
        criterion=cross_entropy,
        num_classes=k,
        is_sequence=True,
    )


def flow(spec: Spec, g: torch.Generator) -> Task:
    """The density of points near a bent sheet (a normalizing flow): a likelihood that rises over one."""
    n = pool(spec, 500)
    hidden = torch.randn(n, 2, generator=g)
    bent = torch.stack([torch.sin(2.0 * hidden[:, 0]), hidden[:, 0] * hidden[:, 1]], 1)
    x = 0.5 * (torch.cat([hidden, bent], 1) + 0.15 * torch.randn(n, 4, generator=g))

    def criterion(out: Tensor, _y: Tensor, _step: int) -> Tensor:
        return -out.mean()

    return Task(nets_3.Flow(4, 24, 4), *split(spec, x, x.clone(), 500), criterion=criterion)


def ranking(spec: Spec, g: torch.Generator) -> Task:
    """The order of six documents, by a hinge on every pair of them."""
    n, docs = min(pool(spec, 300), 30_000), 6
    x = torch.randn(n, docs, 8, generator=g)
    with torch.no_grad():
        y = nets.Mlp(8, 12, 1, 1, act="tanh")(x)[..., 0]
        y = y / y.std()
    y = y if spec.hard in EASY else y + 0.4 * torch.randn(n, docs, generator=g)

    def criterion(out: Tensor, y: Tensor, _step: int) -> Tensor:
        score = out[..., 0]
        is_over = (y[:, :, None] > y[:, None, :]).float()
        return (F.relu(1.0 - (score[:, :, None] - score[:, None, :])) * is_over).sum() / is_over.sum().clamp(min=1.0)

    return Task(nets.Mlp(8, 32, 2, 1, act="tanh", dropout=dropout(spec)), *split(spec, x, y, 300), criterion=criterion)


def ctc(spec: Spec, g: torch.Generator) -> Task:
    """Three sounds of unknown lengths in twenty frames (CTC): silence is learnt first, the sounds later."""
    n, t, k, said = min(pool(spec, 150), 20_000), 20, 5, 3
    motif = torch.cat([torch.zeros(1, 6), torch.randn(k, 6, generator=g)])
    y = torch.randint(1, k + 1, (n, said), generator=g)
    ends = torch.randint(0, 3, (n, 1), generator=g) + torch.randint(4, 7, (n, said), generator=g).cumsum(1)
    frame = torch.arange(t)
    at = (frame[None, :, None] >= ends[:, None, :]).sum(2)
    is_pause = (at == said) | (frame[None, :, None] == ends[:, None, :] - 1).any(2)
    spoken = torch.where(is_pause, 0, y.gather(1, at.clamp(max=said - 1)))
    x = motif[spoken] + (0.2 if spec.hard in EASY else 0.7) * torch.randn(n, t, 6, generator=g)

    def criterion(out: Tensor, y: Tensor, _step: int) -> Tensor:
        num = len(y)
        told = out.log_softmax(-1).transpose(0, 1)
        return F.ctc_loss(told, y, torch.full((num,), t), torch.full((num,), said))

    return Task(nets_3.Speech(6, 20, k + 1), *split(spec, x, y, 150), criterion=criterion, has_opposites=False)


def experts(spec: Spec, g: torch.Generator) -> Task:
    """Four kinds of rows, each with a rule of its own, for four experts; the loss has a part for even work."""
    n, k, kinds = pool(spec, 500), 6, 4
    x = torch.randn(n, 12, generator=g)
    kind = (x @ torch.randn(12, kinds, generator=g)).argmax(1)
    score = (x[:, None, :] @ torch.randn(kinds, 12, k, generator=g)[kind])[:, 0]
    y = score.argmax(1)
    y = y if spec.hard in EASY else mislabelled(y, k, 0.1, g)
    net = nets_3.Experts(12, 24, k, kinds)

    def criterion(out: Tensor, y: Tensor, step: int) -> Tensor:
        return cross_entropy(out, y, step) + 0.05 * net.balance

    return Task(net, *split(spec, x, y, 500), criterion=criterion, num_classes=k)


def modular(spec: Spec, g: torch.Generator) -> Task:
    """The sum of two numbers modulo eleven: no number tells anything alone, and it is found out late."""
    p, n = 11, pool(spec, 500)
    x = torch.randint(0, p, (n, 2), generator=g)
    y = x.sum(1) % p
    y = y if spec.hard in EASY else mislabelled(y, p, 0.05, g)
    return Task(nets_3.Pairs(p, 24, dropout(spec)), *split(spec, x, y, 500), criterion=cross_entropy, num_classes=p)


def ordinal(spec: Spec, g: torch.Generator) -> Task:
    """One of five grades, by whether it is over each bound between them."""
    n, k = pool(spec, 500), 5
    x = torch.randn(n, 10, generator=g)
    with torch.no_grad():
        worth = nets.Mlp(10, 16, 1, 1, act="tanh")(x)
        worth = (worth - worth.mean()) / worth.std()
    worth = worth if spec.hard in EASY else worth + 0.3 * torch.randn(n, 1, generator=g)
    y = (worth > torch.tensor([-1.0, -0.3, 0.3, 1.0])).sum(1, keepdim=True).float()

    def criterion(out: Tensor, y: Tensor, _step: int) -> Tensor:
        return F.binary_cross_entropy_with_logits(out, (y > torch.arange(k - 1) + 0.5).float())

    return Task(nets_3.Grades(10, k, dropout(spec)), *split(spec, x, y, 500), criterion=criterion, has_opposites=False)


def segment(spec: Spec, g: torch.Generator) -> Task:
    """Which pixels are of a disc, of a square or of neither: seven in ten of neither."""
    n, side = min(pool(spec, 100), 10_000), 12
    rows, columns = torch.arange(side)[None, :, None], torch.arange(side)[None, None, :]
    y = torch.zeros(n, side, side, dtype=torch.long)
    for kind in (1, 2):
        down, across = (torch.randint(2, side - 2, (n, 1, 1), generator=g) for _ in range(2))
        size = 1.5 + 2.0 * torch.rand(n, 1, 1, generator=g)
        off, aside = (rows - down).abs(), (columns - across).abs()
        inside = off**2 + aside**2 <= size**2 if kind == 1 else torch.maximum(off, aside) <= 0.85 * size
        y = torch.where(inside, kind, y)
    noise = 0.1 if spec.hard in EASY else 0.5
    x = 1.5 * (y > 0) + noise * torch.randn(n, side, side, generator=g)
    net = nets_3.Segmenter(3, dropout(spec))
    return Task(net, *split(spec, x, y, 100), criterion=cross_entropy, num_classes=3)


def bags(spec: Spec, g: torch.Generator) -> Task:
    """Whether any of eight things in a bag is of the kind that counts; the bag alone has a label."""
    n, things, width = min(pool(spec, 400), 40_000), 8, 6
    kind = torch.randn(width, generator=g)
    y = torch.randint(0, 2, (n,), generator=g)
    is_kind = (torch.arange(things) < torch.randint(1, 3, (n, 1), generator=g)) & (y[:, None] == 1)
    x = torch.randn(n, things, width, generator=g) + 2.5 * is_kind[..., None] * kind / kind.norm() * 1.5
    y = y if spec.hard in EASY else mislabelled(y, 2, 0.1, g)
    net = nets_3.Bags(width, 24, 2, dropout(spec))
    return Task(net, *split(spec, x, y, 400), criterion=cross_entropy, num_classes=2)


def ssm(spec: Spec, g: torch.Generator) -> Task:
    """What an unknown damped system answers at every moment of what it is given, by a state-space model."""
    n, t = min(pool(spec, 200), 20_000), 24
    x = torch.randn(n, t, 1, generator=g)
    time = torch.arange(t)
    decay, pitch = 0.1 + 0.1 * torch.rand(1, generator=g), 0.3 + 0.6 * torch.rand(1, generator=g)
    response = torch.exp(-decay * time) * torch.cos(pitch * time)
    late = time[:, None] - time[None, :]
    by_time = torch.where(late >= 0, response[late.clamp(min=0)], torch.zeros(()))
    y = torch.tanh(1.5 * x[..., 0]) @ by_time.T
    y = (y / y.std())[..., None]
    y = y if spec.hard in EASY else y + 0.2 * torch.randn(n, t, 1, generator=g)
    return Task(nets_3.StateSpace(16, 1), *split(spec, x, y, 200), criterion=squares)


def proto(spec: Spec, g: torch.Generator) -> Task:
    """To which of four classes that nobody has seen before a thing belongs, by three examples of each."""
    ways, shots, queries, n = 4, 3, 4, min(pool(spec, 150), 12_000)
    warp = torch.randn(5, 12, generator=g)
    centres = torch.randn(n, ways, 5, generator=g)
    y = torch.randint(0, ways, (n, queries), generator=g)
    asked = centres.gather(1, y[..., None].expand(-1, -1, 5))
    hidden = torch.cat([centres.repeat_interleave(shots, 1), asked], 1)
    near = 0.2 if spec.hard in EASY else 0.45
    x = torch.tanh((hidden + near * torch.randn(hidden.shape, generator=g)) @ warp)
    idle = 2.0 * torch.randn(n, x.shape[1], 6, generator=g)
    x = torch.cat([x + 0.3 * torch.randn(x.shape, generator=g), idle], 2)
    net = nets_3.Prototypes(18, ways, shots, dropout(spec))
    return Task(net, *split(spec, x, y, 150), criterion=cross_entropy, num_classes=ways)


def superres(spec: Spec, g: torch.Generator) -> Task:
    """Images of blobs from a quarter of their pixels, by the absolute error."""
    n, side = min(pool(spec, 200), 20_000), 8
    at = side * torch.rand(n, 3, 2, 1, generator=g)
    line = torch.arange(side) + 0.5
    bells = torch.exp(-((line - at) ** 2) / (1.0 + 2.0 * torch.rand(n, 3, 1, 1, generator=g)))
    heights = torch.randn(n, 3, 1, generator=g)
    y = 2.0 * torch.einsum("nbi,nbj,nbk->nij", bells[:, :, 0], bells[:, :, 1], heights)
    x = F.avg_pool2d(y[:, None], 2)[:, 0]
    y = y if spec.hard in EASY else y + 0.05 * torch.randn(y.shape, generator=g)

    def criterion(out: Tensor, y: Tensor, _step: int) -> Tensor:
        return F.l1_loss(out, y)

    return Task(nets_3.Sharpener(dropout(spec)), *split(spec, x, y, 200), criterion=criterion)


def rare(spec: Spec, g: torch.Generator) -> Task:
    """One row in twelve is of the kind that is looked for, by the focal loss: most batches tell little."""
    n = pool(spec, 1000)
    x = torch.randn(n, 14, generator=g)
    with torch.no_grad():
        score = nets.Mlp(14, 16, 1, 1, act="tanh")(x)
        score = score / score.std()
    score = score if spec.hard in EASY else score + 0.3 * torch.randn(n, 1, generator=g)
    y = torch.where(score > score.quantile(11 / 12), 1.0, -1.0)

    def criterion(out: Tensor, y: Tensor, _step: int) -> Tensor:
        return (4.0 * torch.sigmoid(-y * out) ** 2 * F.softplus(-y * out)).mean()

    return Task(nets.Mlp(14, 40, 2, 1, dropout=dropout(spec)), *split(spec, x, y, 1000), criterion=criterion)


def adapter(spec: Spec, g: torch.Generator) -> Task:
    """Which of four kinds of token is the most frequent, by adapters in a transformer that knows these and more."""
    vocab, t, k, n = 40, 12, 4, min(pool(spec, 300), 30_000)
    kind = torch.randperm(vocab, generator=g) % (2 * k)
    base = nets.Transformer(vocab, 24, 2 * k)
    optimizer = torch.optim.Adam(base.parameters(), lr=3e-3)
    for _ in range(150):
        x = torch.randint(0, vocab, (32, t), generator=g)
        optimizer.zero_grad()
        cross_entropy(base(x), kind[x], 0).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    x = torch.randint(0, vocab, (n, t), generator=g)
    often = F.one_hot(kind[x], 2 * k)[..., :k].sum(1)
    y = (often + 0.5 * torch.rand(often.shape, generator=g)).argmax(1)
    y = y if spec.hard in EASY else mislabelled(y, k, 0.1, g)
    net = nets_3.Adapted(base, 24, 6, k)
    return Task(net, *split(spec, x, y, 300), criterion=cross_entropy, num_classes=k)


def survival(spec: Spec, g: torch.Generator) -> Task:
    """Who fails first among those of a batch (Cox's partial likelihood): the loss begins near ln(batch) - 1."""
    n = pool(spec, 512)
    x = torch.randn(n, 10, generator=g)
    with torch.no_grad():
        hazard = nets.Mlp(10, 16, 1, 1, act="tanh")(x)
        hazard = 1.7 * (hazard - hazard.mean()) / hazard.std()
    y = -torch.log(torch.rand(n, 1, generator=g).clamp(min=1e-6)) * torch.exp(-hazard)
    y = y.log()

    def criterion(out: Tensor, y: Tensor, _step: int) -> Tensor:
        num = min(spec.batch, len(y))  # so that an evaluation has the scale of a batch
        whole = len(y) // num * num
        order = y[:whole].view(-1, num).argsort(1, descending=True)
        score = out[:whole].view(-1, num).gather(1, order)
        return (score.logcumsumexp(1) - score).mean()

    return Task(nets.Mlp(10, 32, 2, 1, dropout=dropout(spec)), *split(spec, x, y, 512), criterion=criterion)


def skipgram(spec: Spec, g: torch.Generator) -> Task:
    """Which word stood beside another and which five were drawn at random: tables of vectors and nothing else."""
    vocab, topics, n = 80, 8, min(pool(spec, 1000), 40_000)
    topic = torch.arange(vocab) % topics
    centre = torch.randint(0, vocab, (n, 1), generator=g)
    beside = (topic[centre] + topics * torch.randint(0, vocab // topics, (n, 1), generator=g)) % vocab
    stray = torch.rand(n, 1, generator=g) < (0.0 if spec.hard in EASY else 0.15)
    beside = torch.where(stray, torch.randint(0, vocab, (n, 1), generator=g), beside)
    x = torch.cat([centre, beside, torch.randint(0, vocab, (n, 5), generator=g)], 1)
    y = torch.tensor([1.0, -1.0, -1.0, -1.0, -1.0, -1.0]).repeat(n, 1)
    return Task(nets_3.Skipgram(vocab, 10), *split(spec, x, y, 1000), criterion=margins)


FAMILIES: tuple[Callable[[Spec, torch.Generator], Task], ...] = (
    *(masked, counts, waves, flow, ranking, ctc, experts, modular, ordinal),
    *(segment, bags, ssm, proto, superres, rare, adapter, survival, skipgram),
)
