"""Run by test_sharded, alone and by torchrun: encodes one corpus to shards, and says how many each process wrote."""

import json
import sys
from pathlib import Path

import torch

from bench import processes
from bench.data.corpus import build_corpus
from bench.encoding.sharded import Sharded
from bench.models.loading import load_encoder
from bench.plan.settings import Settings
from bench.store import shards
from bench.store.shards import Shards
from tasks.demo import DemoDev

SIZE = 256


def main(out: Path) -> None:
    torch.set_num_threads(1)
    processes.join()
    shards.CHUNK = SIZE
    written: list[str] = []
    write = Shards.write

    def noted(self: Shards, name: str, vectors: object) -> None:
        write(self, name, vectors)  # type: ignore[arg-type]
        written.append(name)
        if len(written) == 1 and processes.count() > 1:
            torch.distributed.barrier()  # each has written one before either goes on

    Shards.write = noted  # type: ignore[assignment, method-assign]
    (evalset,) = DemoDev().load(None)
    corpus = build_corpus(evalset.passages)
    ranker = Sharded(load_encoder(Settings(model="demo-transformer"), 0), out / "shards", {"weights": "of the demo"})
    if processes.is_first():
        vectors, place = ranker.passages(corpus)
        assert vectors.shape == (int(place.max()) + 1, 128)
    else:
        ranker.help(corpus)
    (out / f"process-{processes.number()}.json").write_text(json.dumps(written))
    processes.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
