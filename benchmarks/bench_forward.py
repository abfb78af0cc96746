"""How fast is each operation of one GPT-2 small block by itself, and what of that does a count of FLOPs see?

    python benchmarks/bench_forward.py [--threads 1] [--context 1024]

What stands behind docs/measured.md: the products of a block and the head, attention with and without the masked half, and what
counts 0 FLOPs: the activation as transformers writes it, and a norm. And, for one more token, joining it to the cache.
"""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from transformers.activations import NewGELUActivation

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH, HEADS, VOCABULARY = 768, 12, 50257


def milliseconds(run: Callable[[], object], n: int = 9) -> float:
    """The median of `n` runs after two that nobody counts."""
    taken = []
    for _ in range(n + 2):
        start = perf_counter()
        run()
        taken.append((perf_counter() - start) * 1e3)
    return median(taken[2:])


def operations(n: int) -> dict[str, tuple[Callable[[], object], int]]:
    """Each operation on `n` tokens with its FLOPs, causal scores as the whole square."""
    torch.manual_seed(0)
    hidden, wide = torch.randn(n, WIDTH), torch.randn(1, n, 4 * WIDTH)
    qkv, up, down = (torch.randn(a, b) for a, b in ((WIDTH, 3 * WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH)))
    head, there = torch.randn(VOCABULARY, WIDTH), torch.zeros(n, VOCABULARY)
    q, k, v = (torch.randn(1, HEADS, n, WIDTH // HEADS) for _ in range(3))
    new = torch.randn(1, HEADS, 1, WIDTH // HEADS)
    activate, normalise = NewGELUActivation(), torch.nn.LayerNorm(WIDTH)
    attend = torch.nn.functional.scaled_dot_product_attention
    return {
        "query, key and value": (lambda: hidden @ qkv, 2 * n * WIDTH * 3 * WIDTH),
        "up": (lambda: hidden @ up, 2 * n * WIDTH * 4 * WIDTH),
        "down": (lambda: wide @ down, 2 * n * WIDTH * 4 * WIDTH),
        "head": (lambda: torch.nn.functional.linear(hidden, head), 2 * n * WIDTH * VOCABULARY),
        "head, into memory that is there": (lambda: torch.mm(hidden, head.T, out=there), 2 * n * WIDTH * VOCABULARY),
        "attention, causal": (lambda: attend(q, k, v, is_causal=True), 4 * n * n * WIDTH),
        "attention, every score": (lambda: attend(q, k, v), 4 * n * n * WIDTH),
        "GELU of the MLP": (lambda: activate(wide), 0),
        "layer normalization": (lambda: normalise(hidden), 0),
        "one token: join the cache": (lambda: (torch.cat((k, new), 2), torch.cat((v, new), 2)), 0),
        "one token: query, key and value": (lambda: hidden[:1] @ qkv, 2 * WIDTH * 3 * WIDTH),
        "one token: up": (lambda: hidden[:1] @ up, 2 * WIDTH * 4 * WIDTH),
        "one token: down": (lambda: wide[0, :1] @ down, 2 * WIDTH * 4 * WIDTH),
        "one token: head": (lambda: torch.nn.functional.linear(hidden[:1], head), 2 * WIDTH * VOCABULARY),
        "one token: attention": (lambda: attend(new, k, v), 4 * n * WIDTH),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--context", type=int, default=1024)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        for name, (run, flops) in operations(options.context).items():
            taken = milliseconds(run)
            rate = f"{flops / taken / 1e6:8.1f} GFLOP/s" if flops else ""
            print(f"{name:32}{taken:10.3f} ms {rate}")


if __name__ == "__main__":
    main()
