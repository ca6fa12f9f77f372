"""The families that the part of seed 2 was the first to have, of other natures than those before: nets and data."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bench.alerts import nets
from bench.alerts.digits import digits
from bench.alerts.spec import Spec
from bench.alerts.task import EASY, Task, cross_entropy, dropout, mislabelled, pool, split, squares


class TextCnn(nn.Module):
    """Tokens, convolutions of three, the largest answer over all places."""

    def __init__(self, vocab: int, width: int, num_out: int, rate: float) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.body = nn.Sequential(nn.Conv1d(width, 2 * width, 3, padding=1), nn.ReLU())
        self.drop = nn.Dropout(rate)
        self.head = nn.Linear(2 * width, num_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.body(self.embed(x).transpose(1, 2)).amax(2)))


def textcnn(spec: Spec, g: torch.Generator) -> Task:
    """Whether a token of one kind is followed by one of another anywhere in a text."""
    vocab, t, n = 60, 16, pool(spec, 500)
    first, second = (torch.rand(vocab, generator=g) < 0.2 for _ in range(2))
    x = torch.randint(0, vocab, (n, t), generator=g)
    y = (first[x[:, :-1]] & second[x[:, 1:]]).any(1).long()
    y = y if spec.hard in EASY else mislabelled(y, 2, 0.1, g)
    net = TextCnn(vocab, 16, 2, dropout(spec))
    return Task(net, *split(spec, x, y, 500), criterion=cross_entropy, num_classes=2, is_sequence=True)


def match(spec: Spec, g: torch.Generator) -> Task:
    """Whether the token at the end of a sequence stands among those before it: guessed at first, found out later."""
    vocab, t, n = 20, 8, pool(spec, 500)
    x = torch.randint(0, vocab, (n, t), generator=g)
    asked = torch.where(
        torch.rand(n, generator=g) < 0.5,
        x.gather(1, torch.randint(0, t, (n, 1), generator=g))[:, 0],
        torch.randint(0, vocab, (n,), generator=g),
    )
    y = (x == asked[:, None]).any(1).long()
    y = y if spec.hard in EASY else mislabelled(y, 2, 0.1, g)
    x = torch.cat([x, asked[:, None] + vocab], 1)
    net = nets.Transformer(2 * vocab, 24, 2, pooled=True, dropout=dropout(spec))
    return Task(net, *split(spec, x, y, 500), criterion=cross_entropy, num_classes=2)


class Gated(nn.Module):
    """Two gated layers with residuals, as used on tables."""

    def __init__(self, num_in: int, width: int, num_out: int, rate: float) -> None:
        super().__init__()
        self.inlet = nn.Linear(num_in, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.gates = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(2))
        self.drop = nn.Dropout(rate)
        self.head = nn.Linear(width, num_out)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inlet(x)
        for norm, gate in zip(self.norms, self.gates, strict=True):
            h = h + self.drop(F.glu(gate(norm(h))))
        return self.head(h)


def tabular(spec: Spec, g: torch.Generator) -> Task:
    """One in five rows is positive, by products of columns: no column tells anything alone."""
    n, columns = pool(spec, 800), 16
    x = torch.randn(n, columns, generator=g)
    score = (x[:, 0:6:2] * x[:, 1:6:2]).sum(1) + torch.sin(3.0 * x[:, 6])
    score = score if spec.hard in EASY else score + 0.7 * torch.randn(n, generator=g)
    y = (score > score.quantile(0.8)).long()
    net = Gated(columns, 32, 2, dropout(spec))
    return Task(net, *split(spec, x, y, 800), criterion=cross_entropy, num_classes=2)


def siamese(spec: Spec, g: torch.Generator) -> Task:
    """Two views of a thing are to be found among those of the whole batch (InfoNCE): the loss begins at ln(batch)."""
    n = pool(spec, 256)
    hidden = torch.randn(n, 6, generator=g)
    views = []
    for _ in range(2):
        warp = torch.randn(6, 20, generator=g) / 6**0.5
        views.append(torch.tanh(hidden @ warp) + 0.3 * torch.randn(n, 20, generator=g))
    encoder = nets.Mlp(20, 48, 2, 16, dropout=dropout(spec))

    def criterion(out: Tensor, y: Tensor, _step: int) -> Tensor:
        near = F.normalize(out, dim=1) @ F.normalize(encoder(y), dim=1).T / 0.2
        return F.cross_entropy(near, torch.arange(len(y)))

    return Task(encoder, *split(spec, views[0], views[1], 256), criterion=criterion)


class Reverser(nn.Module):
    """A causal transformer whose last places are the answer."""

    def __init__(self, vocab: int, width: int, length: int, rate: float) -> None:
        super().__init__()
        self.body = nets.Transformer(vocab + 1, width, vocab, causal=True, dropout=rate)
        self.length = length

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)[:, -self.length :]


def reverse(spec: Spec, g: torch.Generator) -> Task:
    """Write a sequence backwards: the loss stays at that of guessing until attention has found the places."""
    vocab, length, n = 12, 6, pool(spec, 200)
    given = torch.randint(0, vocab, (n, length), generator=g)
    y = given.flip(1)
    x = torch.cat([given, torch.full((n, 1), vocab), y[:, :-1]], 1)
    net = Reverser(vocab, 32, length, dropout(spec))
    return Task(net, *split(spec, x, y, 200), criterion=cross_entropy, num_classes=vocab)


class Tagger(nn.Module):
    """A GRU in both directions that says something at each place."""

    def __init__(self, vocab: int, width: int, num_out: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.rnn = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, num_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(self.embed(x))[0])


def tagger(spec: Spec, g: torch.Generator) -> Task:
    """Tags that hold from a marker to the next one: the last marker before a token decides, or none does."""
    vocab, t, k, n = 40, 10, 6, pool(spec, 200)
    opens = torch.where(torch.rand(vocab, generator=g) < 0.3, torch.randint(0, k, (vocab,), generator=g), -1)
    x = torch.randint(0, vocab, (n, t), generator=g)
    y, now = torch.zeros(n, t, dtype=torch.long), torch.zeros(n, dtype=torch.long)
    for i in range(t):
        now = torch.where(opens[x[:, i]] >= 0, opens[x[:, i]], now)
        y[:, i] = now
    y = y if spec.hard in EASY else mislabelled(y, k, 0.05, g)
    net = Tagger(vocab, 20, k)
    return Task(net, *split(spec, x, y, 200), criterion=cross_entropy, num_classes=k, is_sequence=True)


class Denoiser(nn.Module):
    """Adds noise of a drawn strength to an 8x8 image and gives the image as it thinks it was."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.inlet = nn.Conv2d(2, 12, 3, padding=1)
        self.body = nn.Sequential(nn.SiLU(), nn.Conv2d(12, 12, 3, padding=1), nn.SiLU(), nn.Dropout(rate))
        self.outlet = nn.Conv2d(12, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        strength = torch.rand(len(x), 1, 1, 1)
        image = x.view(-1, 1, 8, 8)
        seen = (1.0 - strength).sqrt() * image + strength.sqrt() * torch.randn_like(image)
        return self.outlet(self.body(self.inlet(torch.cat([seen, strength.expand_as(image)], 1)))).flatten(1)


def diffusion(spec: Spec, g: torch.Generator) -> Task:
    """The clean image behind one with noise of any strength: a loss that differs much from batch to batch."""
    x, _ = digits()
    x = (x[torch.randperm(len(x), generator=g)] - 0.3) * 2.5
    return Task(Denoiser(dropout(spec)), *split(spec, x, x.clone(), 300), criterion=squares)


class Graph(nn.Module):
    """Two rounds of messages between neighbours; [B, nodes, nodes + features], the links first."""

    def __init__(self, nodes: int, features: int, width: int, num_out: int, rate: float) -> None:
        super().__init__()
        self.nodes = nodes
        self.inlet, self.one, self.two = (nn.Linear(a, width) for a in (features, 2 * width, 2 * width))
        self.drop = nn.Dropout(rate)
        self.head = nn.Linear(width, num_out)

    def forward(self, x: Tensor) -> Tensor:
        links = x[..., : self.nodes]
        links = links / links.abs().sum(-1, keepdim=True).clamp(min=1.0)
        h = torch.tanh(self.inlet(x[..., self.nodes :]))
        for layer in (self.one, self.two):
            h = h + torch.tanh(layer(torch.cat([h, links @ h], -1)))
        return self.head(self.drop(h))


def graph(spec: Spec, g: torch.Generator) -> Task:
    """Which of four kinds a node is: little by its own features, more by those it is linked to."""
    nodes, k, features, n = 12, 4, 6, min(pool(spec, 150), 20_000)
    centres = torch.randn(k, features, generator=g) * (2.0 if spec.hard in EASY else 0.6)
    y = torch.randint(0, k, (n, nodes), generator=g)
    same = (y[:, :, None] == y[:, None, :]).float()
    links = (torch.rand(n, nodes, nodes, generator=g) < 0.1 + 0.6 * same).float()
    links = torch.maximum(links, links.transpose(1, 2))
    x = torch.cat([links, centres[y] + torch.randn(n, nodes, features, generator=g)], -1)
    net = Graph(nodes, features, 24, k, dropout(spec))
    return Task(net, *split(spec, x, y, 150), criterion=cross_entropy, num_classes=k)


def distil(spec: Spec, g: torch.Generator) -> Task:
    """The scores of a wide teacher, by a narrow student."""
    n = pool(spec, 400)
    x = torch.randn(n, 12, generator=g)
    teacher = nets.Mlp(12, 64, 2, 8, act="tanh")
    with torch.no_grad():
        y = teacher(x)
        y = 2.0 * (y - y.mean(0)) / y.std(0)
    return Task(nets.Mlp(12, 24, 2, 8, dropout=dropout(spec)), *split(spec, x, y, 400), criterion=squares)


class Forecaster(nn.Module):
    """Dilated convolutions over what was, the last of them for what will be."""

    def __init__(self, num_out: int, rate: float) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(1, 12, 3), nn.ReLU(), nn.Conv1d(12, 12, 3, dilation=2), nn.ReLU())
        self.drop = nn.Dropout(rate)
        self.head = nn.Linear(12 * 18, num_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.body(x[:, None]).flatten(1)))


def forecast(spec: Spec, g: torch.Generator) -> Task:
    """The next four values of a seasonal series with jumps, by the pinball loss of three quantiles."""
    n, t, ahead = pool(spec, 400), 24, 4
    time = torch.arange(t + ahead)
    phase, period = (torch.rand(n, 1, generator=g) for _ in range(2))
    level = torch.randn(n, 1, generator=g)
    series = level + torch.sin(2.0 * math.pi * (time / (5.0 + 7.0 * period) + phase))
    series = series + 0.2 * torch.randn(n, t + ahead, generator=g)
    shares = torch.tensor([0.1, 0.5, 0.9])

    def criterion(out: Tensor, y: Tensor, _step: int) -> Tensor:
        off = y[..., None] - out.view(len(out), ahead, 3)
        return torch.maximum(shares * off, (shares - 1.0) * off).mean()

    net = Forecaster(3 * ahead, dropout(spec))
    return Task(net, *split(spec, series[:, :t], series[:, t:], 400), criterion=criterion)


FAMILIES: tuple[Callable[[Spec, torch.Generator], Task], ...] = (
    *(textcnn, match, tabular, siamese, reverse, tagger),
    *(diffusion, graph, distil, forecast),
)
