"""What an encoder gives beside what sentence-transformers' own ``encode_query`` and ``encode_document`` give.

They are one and the same up to rounding, or the model is refused: with a model that was opened, before anything is
made of it, and with the folder that was saved, opened anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.data.corpus import Kind
from bench.encoding import sides
from bench.encoding.encoder import Encoder, Parity
from bench.encoding.passes import suspended
from bench.environment import is_out_of_memory
from bench.errors import BenchError, told
from bench.models.opening import require_finite
from bench.randomness import random_states, set_random_states

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CLOSE = 1e-4
"""Distance of two vectors of unit length that rounding in float32 explains: a hundred times what is seen of it."""


SAME = 1e-6
"""Distance of vectors that are taken for equal."""


SHORT = ("a", "the capital of Peru is Lima", "北京是中国的首都。", "القاهرة عاصمة مصر", "दिल्ली, กรุงเทพ, Αθήνα 🙂")
"""Of several scripts."""


LONGEST, WORDS = 512, 200
"""Limits up to this many tokens are passed by the long text; beyond, it has so many words."""


def compare(encoder: Encoder, other: SentenceTransformer, where: str) -> Parity:
    """Hold an encoder beside a model of sentence-transformers: its own as it is, or one that was opened anew.

    A few texts pass both, in float32: empty, short ones of several scripts, and one that is longer than the limit, as
    queries and as passages. Random states and modes are left as they were.

    Raises:
        BenchError: a text that one of them cannot take, gives no numbers for, or gives another vector for; or all
            texts have one vector. ``where`` is said.
    """
    start = time.perf_counter()
    found = []
    for kind in get_args(Kind):
        texts = ["", *SHORT, _long(encoder, kind)]
        with _undisturbed(encoder):
            ours = _told(where, kind, partial(_ours, encoder, texts, kind))
            theirs = _told(where, kind, partial(_theirs, other, texts, kind))
        found += _differences(texts, kind, ours, theirs, where)
        distance, text = max(found)
        if distance > CLOSE:
            raise BenchError(
                f"{where}: {text} has another vector here than in sentence-transformers (distance {distance:.2g} at "
                f"unit length, rounding explains {CLOSE:g}){_why(encoder, texts, kind, theirs)}; such a model cannot "
                "be used"
            )
    return Parity(*max(found), time.perf_counter() - start)


def _why(encoder: Encoder, texts: Sequence[str], kind: Kind, theirs: NDArray[np.float32]) -> str:
    """Whether a model gives a text what sentence-transformers gives it where it passes alone."""
    with _undisturbed(encoder):
        alone = np.concatenate([encoder.encode_chunk([text], kind, tqdm(disable=True)) for text in texts[1:]])
    if np.linalg.norm(alone - theirs[1:], axis=1).max() > CLOSE:
        return ""
    return " unless it passes alone: the model reads padding, and a vector depends on the texts of its batch"


def require_usable(encoder: Encoder, where: str) -> None:
    """Refuse an encoder whose weights are no numbers, or that gives none, or the same vector to all texts.

    Raises:
        BenchError: it is said ``where``.
    """
    require_finite(encoder.model, where)
    for kind in get_args(Kind):
        texts = ["", *SHORT]
        with _undisturbed(encoder):
            vectors = _told(where, kind, partial(encoder.encode_chunk, texts, kind, tqdm(disable=True)))
        _require_different(texts, kind, vectors, where)


def _long(encoder: Encoder, kind: Kind) -> str:
    first = sides.transformer_of(encoder.model, kind)
    limit = getattr(first, f"{sides.TASK[kind]}_length", None) or WORDS
    words = cycle(" ".join(SHORT).split())
    return " ".join(islice(words, limit + 8 if limit <= LONGEST else WORDS))


def named(text: str, kind: Kind) -> str:
    """A text as messages call it."""
    words = len(text.split())
    return f"the empty {kind}" if not text else f"the {kind} {text!r}" if words < 10 else f"a {kind} of {words} words"


@contextmanager
def _undisturbed(encoder: Encoder) -> Iterator[None]:
    """Leave what training depends on as it was; compare in float32."""
    device, trains, half = encoder.model.device, encoder.model.training, encoder.half
    states = random_states(device)
    encoder.half = None
    try:
        yield
    finally:
        encoder.half = half
        encoder.model.train(trains)
        set_random_states(states, device)


def _told(where: str, kind: Kind, encode: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    try:
        return encode()
    except BenchError:
        raise
    except Exception as error:  # every library and every model raises its own
        if is_out_of_memory(error):
            raise
        if isinstance(error, KeyError) and error.args == ("sentence_embedding",):
            raise BenchError(f"{where}: the model gives a text no vector; its modules lack a Pooling") from None
        raise BenchError(f"{where}: the model cannot encode a {kind} ({told(error)})") from None


def _ours(encoder: Encoder, texts: Sequence[str], kind: Kind) -> NDArray[np.float32]:
    hidden = tqdm(disable=True)
    parts = [list(texts[:-1]), list(texts[-1:])]  # others share a pass than sentence-transformers' own
    return np.concatenate([encoder.encode_chunk(part, kind, hidden) for part in parts])


def _theirs(model: SentenceTransformer, texts: Sequence[str], kind: Kind) -> NDArray[np.float32]:
    own = model.encode_query if kind == "query" else model.encode_document
    with suspended(model):
        one_by_one = own(list(texts[1:]), batch_size=1, normalize_embeddings=True, show_progress_bar=False)
        empty = own([texts[0], texts[1]], batch_size=2, normalize_embeddings=True, show_progress_bar=False)[:1]
    return np.concatenate([empty, one_by_one]).astype(np.float32)


def _differences(
    texts: Sequence[str], kind: Kind, ours: NDArray[np.float32], theirs: NDArray[np.float32], where: str
) -> list[tuple[float, str]]:
    """Distance and name of every text."""
    if ours.shape != theirs.shape:
        raise BenchError(
            f"{where}: vectors of a {kind} have {ours.shape[1]} numbers here and {theirs.shape[1]} in "
            "sentence-transformers; such a model cannot be used"
        )
    _require_different(texts, kind, ours, where)
    distances = np.nan_to_num(np.linalg.norm(ours - theirs, axis=1), nan=np.inf)
    return [(float(d), named(text, kind)) for d, text in zip(distances, texts, strict=True)]


def _require_different(texts: Sequence[str], kind: Kind, ours: NDArray[np.float32], where: str) -> None:
    for text, vector in zip(texts, ours, strict=True):
        if not np.isfinite(vector).all():
            raise BenchError(f"{where}: the model gives no numbers (NaN or infinity) for {named(text, kind)}")
    if np.linalg.norm(ours[1:] - ours[1], axis=1).max() < SAME:
        raise BenchError(
            f"{where}: the model gives every {kind} the same vector, and nothing can be ranked; its weights or its "
            "tokenizer are not what it was trained with, or training went astray"
        )
