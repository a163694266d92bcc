"""All randomness starts here: generators are derived by hashing *names*, never by adding numbers to a seed."""

import hashlib

import numpy as np


def derive(seed: int, *names: str) -> int:
    """A 63-bit number for the stream called ``names`` under ``seed``: same names, same number."""
    text = "\0".join([str(seed), *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str) -> np.random.Generator:
    """A numpy generator for the stream called ``names`` under ``seed``."""
    return np.random.default_rng(np.random.SeedSequence(derive(seed, *names)))
