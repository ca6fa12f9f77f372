"""The small nets of the corpus. Plain torch; every one trains in about a millisecond a step."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class Mlp(nn.Module):
    """Layers of one width between `num_in` and `num_out`."""

    def __init__(
        self, num_in: int, width: int, depth: int, num_out: int, *, act: str = "relu", dropout: float = 0.0
    ) -> None:
        super().__init__()
        sizes = [num_in] + [width] * depth
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [nn.Linear(a, b), {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[act]()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, num_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class Cnn(nn.Module):
    """Two convolutions on 8x8 images."""

    def __init__(self, num_out: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU()
        )
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(256, num_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.body(x.view(-1, 1, 8, 8)).flatten(1)))


class Gru(nn.Module):
    """A GRU over [B, T, C]; the last state decides."""

    def __init__(self, num_in: int, width: int, num_out: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(num_in, width, batch_first=True)
        self.head = nn.Linear(width, num_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int, *, causal: bool, dropout: float) -> None:
        super().__init__()
        self.heads, self.causal, self.dropout = heads, causal, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        q, k, v = (
            part.view(b, t, self.heads, c // self.heads).transpose(1, 2)
            for part in self.qkv(self.norm1(x)).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(mixed.transpose(1, 2).reshape(b, t, c))
        return x + F.dropout(self.down(F.gelu(self.up(self.norm2(x)))), self.dropout, self.training)


class Transformer(nn.Module):
    """Tokens to logits, at each place or pooled over all of them."""

    def __init__(
        self, vocab: int, width: int, num_out: int, *, causal: bool = False, pooled: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.pooled = pooled
        self.embed = nn.Embedding(vocab, width)
        self.place = nn.Parameter(0.02 * torch.randn(64, width))
        self.block = Block(width, 2, causal=causal, dropout=dropout)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_out)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.block(self.embed(x) + self.place[: x.shape[1]]))
        return self.head(h.mean(1) if self.pooled else h)


class Autoencoder(nn.Module):
    """64 pixels through a narrow code."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, code))
        self.dec = nn.Sequential(nn.Linear(code, 48), nn.ReLU(), nn.Linear(48, 64))

    def forward(self, x: Tensor) -> Tensor:
        return self.dec(self.enc(x))


class Vae(nn.Module):
    """64 pixels through a Gaussian code; gives reconstruction, mean and log variance side by side."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 2 * code))
        self.dec = nn.Sequential(nn.Linear(code, 48), nn.Tanh(), nn.Linear(48, 64))

    def forward(self, x: Tensor) -> Tensor:
        code = self.enc(x)
        mean, log_var = code.chunk(2, -1)
        return torch.cat([self.dec(mean + torch.randn_like(mean) * (0.5 * log_var).exp()), code], -1)


class Factors(nn.Module):
    """Users times items: a matrix factorisation with biases; rows that nobody draws stay as they are."""

    def __init__(self, users: int, items: int, width: int) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(users, width), nn.Embedding(items, width)
        self.bias = nn.Embedding(items, 1)
        nn.init.zeros_(self.bias.weight)
        nn.init.normal_(self.user.weight, std=0.3)
        nn.init.normal_(self.item.weight, std=0.3)

    def forward(self, x: Tensor) -> Tensor:
        score = (self.user(x[:, 0]) * self.item(x[:, 1])).sum(-1) + self.bias(x[:, 1])[:, 0]
        return torch.stack([-score / 2, score / 2], -1)


class Lora(nn.Module):
    """A linear layer held still, with a trained low-rank addition."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_a = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.lora_a.T @ self.lora_b.T
