"""What the card can do: products of square matrices, copies, launches."""

from __future__ import annotations

import torch
from asked import CARD, Asked, Found, seconds

LAUNCHES = 1000


def ceilings(asked: Asked, found: Found) -> None:
    """Each is the median of several, behind a warm-up, waited for."""
    device = torch.device("cuda" if CARD() else "cpu")
    size, times = (8192, 20) if CARD() and not asked.small else (256, 3)
    for dtype in (torch.bfloat16, torch.float32):
        a = torch.randn(size, size, device=device).to(dtype)
        b = torch.randn(size, size, device=device).to(dtype)
        out = torch.empty_like(a)
        rate = 2 * size**3 / seconds(lambda a=a, b=b, out=out: torch.mm(a, b, out=out), times)  # type: ignore[misc]
        name = str(dtype).removeprefix("torch.")
        found.row(what=f"product of {size} x {size}, {name}", value=rate / 1e12, unit="TFLOP/s")
        found.keep(**{name: rate})
    # a product of the encoder's shape: tokens of a batch through the first layer of a feed-forward block
    a, b = torch.randn(8 * size, 384, device=device).bfloat16(), torch.randn(384, 1536, device=device).bfloat16()
    rate = 2 * a.numel() * 1536 / seconds(lambda: a @ b, times)
    found.row(what=f"product of {8 * size} x 384 x 1536, bfloat16", value=rate / 1e12, unit="TFLOP/s")
    size = (1 << 30) if CARD() and not asked.small else 1 << 24
    source = torch.empty(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    rate = 2 * size / seconds(lambda: target.copy_(source), times)
    found.row(what=f"copy of {size >> 20} MiB, read and written", value=rate / 1e12, unit="TB/s")
    one = torch.zeros(1, device=device)
    taken = seconds(lambda: [one.add_(1) for _ in range(LAUNCHES)], 5)
    found.row(what="launch of a small kernel from Python", value=taken / LAUNCHES * 1e6, unit="µs")
