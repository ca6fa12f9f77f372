"""The nets of the families that the part of seed 3 was the first to have. Plain torch, about a millisecond a step."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bench.alerts import nets


class Masked(nn.Module):
    """Logits at hidden places: [B, T + k] tokens and then the k places, whose tokens it does not see."""

    def __init__(self, vocab: int, width: int, length: int, rate: float) -> None:
        super().__init__()
        self.body = nets.Transformer(vocab + 1, width, vocab, dropout=rate)
        self.vocab, self.length = vocab, length

    def forward(self, x: Tensor) -> Tensor:
        text, places = x[:, : self.length], x[:, self.length :]
        out = self.body(text.scatter(1, places, self.vocab))
        return out.gather(1, places[..., None].expand(-1, -1, out.shape[-1]))


class Waves(nn.Module):
    """Strided convolutions with batch norm over [B, T], as on raw sound."""

    def __init__(self, num_out: int, rate: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv1d(1, 12, 5, stride=2), nn.BatchNorm1d(12), nn.ReLU()),
            *(nn.Conv1d(12, 16, 5, stride=2), nn.BatchNorm1d(16), nn.ReLU()),
        )
        self.drop = nn.Dropout(rate)
        self.head = nn.Linear(16, num_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.body(x[:, None]).mean(2)))


class Flow(nn.Module):
    """Affine couplings in turns; [B, C] to the log density of each example."""

    def __init__(self, num_in: int, width: int, depth: int) -> None:
        super().__init__()
        self.half = num_in // 2
        self.parts = nn.ModuleList(nets.Mlp(self.half, width, 1, num_in, act="tanh") for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        log_det = torch.zeros(len(x))
        a, b = x[:, : self.half], x[:, self.half :]
        for part in self.parts:
            shift, scale = part(a).chunk(2, 1)
            scale = 2.0 * torch.tanh(scale / 2.0)
            a, b = (b - shift) * torch.exp(-scale), a
            log_det = log_det - scale.sum(1)
        z = torch.cat([a, b], 1)
        return log_det - 0.5 * (z**2 + 1.837877).sum(1)  # 1.837877: ln(2 pi)


class Speech(nn.Module):
    """Convolutions over frames [B, T, C]; what each frame says, the first class being silence."""

    def __init__(self, num_in: int, width: int, num_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv1d(num_in, width, 3, padding=1), nn.ReLU()),
            *(nn.Conv1d(width, width, 3, padding=1), nn.ReLU()),
        )
        self.head = nn.Linear(width, num_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.transpose(1, 2)).transpose(1, 2))


class Experts(nn.Module):
    """A gate sends each row to two of several small nets; `balance` is 1 where all of them have the same work."""

    def __init__(self, num_in: int, width: int, num_out: int, num: int) -> None:
        super().__init__()
        self.gate = nn.Linear(num_in, num)
        self.one = nn.Parameter(torch.randn(num, num_in, width) / num_in**0.5)
        self.two = nn.Parameter(torch.randn(num, width, num_out) / width**0.5)
        self.balance = torch.ones(())

    def forward(self, x: Tensor) -> Tensor:
        shares = self.gate(x).softmax(1)
        chosen = shares >= shares.topk(2, 1).values[:, 1:]
        self.balance = shares.shape[1] * ((chosen.float() / 2.0).mean(0) * shares.mean(0)).sum()
        weights = shares * chosen
        weights = weights / weights.sum(1, keepdim=True)
        hidden = F.gelu(torch.einsum("bi,eiw->bew", x, self.one))
        return torch.einsum("bew,ewo,be->bo", hidden, self.two, weights)


class Pairs(nn.Module):
    """Two numbers as learnt vectors, a layer over both."""

    def __init__(self, num: int, width: int, rate: float) -> None:
        super().__init__()
        self.embed = nn.Embedding(num, width)
        self.body = nn.Sequential(nn.Linear(2 * width, 64), nn.ReLU(), nn.Dropout(rate))
        self.head = nn.Linear(64, num)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.embed(x).flatten(1)))


class Grades(nn.Module):
    """One score, and how far it stands over each of the learnt bounds between the grades."""

    def __init__(self, num_in: int, num: int, rate: float) -> None:
        super().__init__()
        self.body = nets.Mlp(num_in, 32, 2, 1, dropout=rate)
        self.first, self.gaps = nn.Parameter(torch.tensor(-1.0)), nn.Parameter(torch.zeros(num - 2))

    def forward(self, x: Tensor) -> Tensor:
        bounds = torch.cat([self.first[None], self.first + F.softplus(self.gaps).cumsum(0)])
        return self.body(x) - bounds


class Segmenter(nn.Module):
    """Down and up again with a bridge, on one-channel images; the classes of a pixel come last."""

    def __init__(self, num_out: int, rate: float) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU())
        self.deep = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Dropout(rate))
        self.up = nn.Sequential(nn.Conv2d(24, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, num_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down(x[:, None])
        coarse = F.interpolate(self.deep(fine), scale_factor=2.0)
        return self.up(torch.cat([fine, coarse], 1)).permute(0, 2, 3, 1)


class Bags(nn.Module):
    """Attention over the instances of a bag [B, N, C], then one answer for it."""

    def __init__(self, num_in: int, width: int, num_out: int, rate: float) -> None:
        super().__init__()
        self.inlet = nn.Linear(num_in, width)
        self.weigh = nn.Linear(width, 1)
        self.drop = nn.Dropout(rate)
        self.head = nn.Linear(width, num_out)

    def forward(self, x: Tensor) -> Tensor:
        h = F.gelu(self.inlet(x))
        return self.head(self.drop((self.weigh(torch.tanh(h)).softmax(1) * h).sum(1)))


class StateSpace(nn.Module):
    """Damped oscillators over [B, T, 1], each by its impulse response; something said at every step."""

    def __init__(self, width: int, num_out: int) -> None:
        super().__init__()
        self.inlet = nn.Linear(1, width)
        self.decay = nn.Parameter(torch.linspace(-3.0, 0.5, width))
        self.pitch = nn.Parameter(torch.rand(width))
        self.gain = nn.Parameter(torch.randn(width, 2) / 2.0)
        self.mix = nn.Linear(width, width)
        self.head = nn.Linear(width, num_out)

    def forward(self, x: Tensor) -> Tensor:
        u = torch.tanh(self.inlet(x)).transpose(1, 2)
        length = u.shape[-1]
        t = torch.arange(length)
        damped = torch.exp(-F.softplus(self.decay)[:, None] * t)
        turns = self.pitch[:, None] * t
        response = damped * (self.gain[:, :1] * turns.cos() + self.gain[:, 1:] * turns.sin())
        spectrum = torch.fft.rfft(u, 2 * length) * torch.fft.rfft(response, 2 * length)
        y = torch.fft.irfft(spectrum, 2 * length)[..., :length].transpose(1, 2)
        return self.head(F.gelu(self.mix(y)))


class Prototypes(nn.Module):
    """[B, ways x shots + queries, C]: how near each query lies to the mean of each way's examples."""

    def __init__(self, num_in: int, ways: int, shots: int, rate: float) -> None:
        super().__init__()
        self.body = nets.Mlp(num_in, 32, 1, 12, dropout=rate, act="tanh")
        self.ways, self.shots = ways, shots

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        given = self.ways * self.shots
        centres = h[:, :given].unflatten(1, (self.ways, self.shots)).mean(2)
        return -((h[:, given:, None] - centres[:, None]) ** 2).sum(-1)


class Sharpener(nn.Module):
    """A 4x4 image made an 8x8 one: what convolutions add to the enlarged image."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Dropout(rate)),
            *(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 4, 3, padding=1), nn.PixelShuffle(2)),
        )

    def forward(self, x: Tensor) -> Tensor:
        image = x[:, None]
        return (F.interpolate(image, scale_factor=2.0) + self.body(image))[:, 0]


class Adapted(nn.Module):
    """A transformer held still, with a trained bottleneck behind its block and a new head."""

    def __init__(self, base: nets.Transformer, width: int, rank: int, num_out: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down, self.up = nn.Linear(width, rank), nn.Linear(rank, width)
        nn.init.normal_(self.up.weight, std=1e-2)
        self.head = nn.Linear(width, num_out)

    def forward(self, x: Tensor) -> Tensor:
        base = self.base
        h = base.block(base.embed(x) + base.place[: x.shape[1]])
        h = h + self.up(F.gelu(self.down(base.norm(h))))
        return self.head(F.gelu(h).mean(1))


class Skipgram(nn.Module):
    """How well each of several words [B, 1 + words] goes with the first, by two tables of vectors."""

    def __init__(self, vocab: int, width: int) -> None:
        super().__init__()
        self.centre, self.context = nn.Embedding(vocab, width), nn.Embedding(vocab, width)
        nn.init.normal_(self.centre.weight, std=0.3)
        nn.init.normal_(self.context.weight, std=0.3)

    def forward(self, x: Tensor) -> Tensor:
        return (self.centre(x[:, :1]) * self.context(x[:, 1:])).sum(-1)
