"""Strategies written anew from the descriptions of papers, as a user would: what the contract has to carry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from strategies import Batch, ItemStream, Pool, Strategy, StrategyError

SCRIPTS = {"ar": "Arab", "hi": "Deva", "ru": "Cyrl", "th": "Thai"} | dict.fromkeys(("de", "en", "es", "tr"), "Latn")


@dataclass(frozen=True)
class ScriptBatches(Strategy):
    """A language of one script for each row of a batch; the table stands in the file."""

    reads = ("langs",)
    claims = ("same",)

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        item_rng, lang_rng = rng.spawn(2)
        items = ItemStream(pool, item_rng)
        script = np.array([SCRIPTS.get(lang, "Hani") for lang in pool.langs])
        for _ in range(steps):
            langs = np.flatnonzero(script == lang_rng.choice(script))
            lang = int(lang_rng.choice(langs))
            item = items.take(batch_size, (lang,))
            of = np.where(pool.has[item][:, langs], lang_rng.random((batch_size, len(langs))), -1).argmax(axis=1)
            yield Batch(item, langs[of], langs[of])


@dataclass(frozen=True)
class FamilyBatches(Strategy):
    """Query and passage in two languages of one family; families are a parameter."""

    families: tuple[tuple[str, ...], ...] = (("de", "en"), ("ar", "th", "zh"))
    claims = ("different", "one_pair")

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        item_rng, lang_rng = rng.spawn(2)
        items = ItemStream(pool, item_rng)
        for _ in range(steps):
            family = self.families[lang_rng.integers(len(self.families))]
            q, d = (pool.langs.index(str(name)) for name in lang_rng.choice(family, 2, replace=False))
            yield Batch(items.take(batch_size, (q, d)), np.full(batch_size, q), np.full(batch_size, d))


@dataclass(frozen=True)
class SourceCurriculum(Strategy):
    """One source after another, in an order that is given by their names."""

    order: tuple[str, ...] = ("lo-help", "docs-qa", "ntrex")
    reads = ("source_names",)
    claims = ("same", "one_source")

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        streams = rng.spawn(len(self.order) + 1)
        for stage, (name, stream) in enumerate(zip(self.order, streams, strict=False)):
            if name not in pool.source_names:
                raise StrategyError(f"no source {name!r}; there are {', '.join(pool.source_names)}")
            here = np.flatnonzero(pool.source == pool.source_names.index(name))
            part = pool.part(here, np.arange(len(pool.langs)))
            items = ItemStream(part, stream)
            for _ in range(steps * stage // len(self.order), steps * (stage + 1) // len(self.order)):
                lang = int(streams[-1].integers(len(pool.langs)))
                yield Batch(here[items.take(batch_size, (lang,))], np.full(batch_size, lang), np.full(batch_size, lang))


@dataclass(frozen=True)
class ClusterBatches(Strategy):
    """Random items of one cluster of k (TAS-B, arXiv 2104.06967): a few rounds of Lloyd's algorithm on the vectors."""

    k: int = 4
    needs = ("vectors",)
    claims = ("same", "near")

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        assert pool.vectors is not None
        first, draws = rng.spawn(2)
        centres = pool.vectors[first.choice(pool.n_items, self.k, replace=False)]
        for _ in range(10):
            of = (pool.vectors @ centres.T).argmax(axis=1)
            centres = np.stack([pool.vectors[of == c].sum(axis=0) for c in range(self.k)])
            centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-6)
        for _ in range(steps):
            lang = int(draws.integers(len(pool.langs)))
            order = draws.permutation(np.flatnonzero(pool.has[:, lang]))
            mine = order[np.argsort(of[order] != draws.integers(self.k), kind="stable")]
            item = mine[np.sort(np.unique(pool.group[mine], return_index=True)[1])[:batch_size]]
            if len(item) < batch_size:
                raise StrategyError(f"batch size {batch_size} needs as many groups in {pool.langs[lang]!r}")
            yield Batch(item, np.full(batch_size, lang), np.full(batch_size, lang))


@dataclass(frozen=True)
class NearestBatches(Strategy):
    """The nearest items of an anchor, found anew every 50 steps by the model as it is (GCBS, arXiv 2210.12874)."""

    refresh_every: int = 50
    needs = ("vectors",)
    claims = ("same", "one_pair", "near")

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        assert pool.vectors is not None
        item_rng, lang_rng = rng.spawn(2)
        items, drawn = ItemStream(pool, item_rng), np.zeros(pool.n_items)
        for _ in range(steps):
            lang = int(lang_rng.integers(len(pool.langs)))
            anchor = items.take(batch_size, (lang,))[0]
            near = np.argsort(drawn - pool.vectors @ pool.vectors[anchor], kind="stable")
            near = near[pool.has[near, lang]]
            item = near[np.sort(np.unique(pool.group[near], return_index=True)[1])[:batch_size]]
            drawn[item] += 1
            yield Batch(item, np.full(batch_size, lang), np.full(batch_size, lang))


@dataclass(frozen=True)
class ManyPassages(Strategy):
    """One query with its passage in two languages, as two rows (after arXiv 2209.01335): groups are repeated."""

    repeats_groups = True

    def batches(self, pool: Pool, batch_size: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
        item_rng, lang_rng = rng.spawn(2)
        items = ItemStream(pool, item_rng)
        for _ in range(steps):
            item = np.repeat(items.take(-(-batch_size // 2), coverage=2), 2)[:batch_size]
            keys = np.where(pool.has[item], lang_rng.random((batch_size, len(pool.langs))), -1)
            q_lang = keys[::2].argmax(axis=1).repeat(2)[:batch_size]
            yield Batch(item, q_lang, keys.argmax(axis=1))
