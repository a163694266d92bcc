"""What to cite for a data set, as BibTeX: bibliographic facts, written for this project."""

from __future__ import annotations

REFERENCES = {
    "lareqa": ("Roy, Uma and Constant, Noah and Al-Rfou, Rami and Barua, Aditya and Phillips, Aaron and Yang, Yinfei",
               "LAReQA: Language-Agnostic Answer Retrieval from a Multilingual Pool", "2020", "2004.05484"),
    "xquad": ("Artetxe, Mikel and Ruder, Sebastian and Yogatama, Dani",
              "On the Cross-lingual Transferability of Monolingual Representations", "2020", "1910.11856"),
    "mlqa": ("Lewis, Patrick and Oguz, Barlas and Rinott, Ruty and Riedel, Sebastian and Schwenk, Holger",
             "MLQA: Evaluating Cross-lingual Extractive Question Answering", "2020", "1910.07475"),
    "beir": ("Thakur, Nandan and Reimers, Nils and Ruckle, Andreas and Srivastava, Abhishek and Gurevych, Iryna",
             "BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of Information Retrieval Models", "2021",
             "2104.08663"),
    "scifact": ("Wadden, David and Lin, Shanchuan and Lo, Kyle and Wang, Lucy Lu and van Zuylen, Madeleine and Cohan, "
                "Arman and Hajishirzi, Hannaneh", "Fact or Fiction: Verifying Scientific Claims", "2020", "2004.14974"),
    "climate-fever": ("Diggelmann, Thomas and Boyd-Graber, Jordan and Bulian, Jannis and Ciaramita, Massimiliano and "
                      "Leippold, Markus", "CLIMATE-FEVER: A Dataset for Verification of Real-World Climate Claims",
                      "2020", "2012.00614"),
    "miracl": ("Zhang, Xinyu and Thakur, Nandan and Ogundepo, Odunayo and Kamalloo, Ehsan and Alfonso-Hermelo, David "
               "and Li, Xiaoguang and Liu, Qun and Rezagholizadeh, Mehdi and Lin, Jimmy",
               "Making a MIRACL: Multilingual Information Retrieval Across a Continuum of Languages", "2022",
               "2210.09984"),
    "nomiracl": ("Thakur, Nandan and others",
                 "NoMIRACL: Knowing When You Don't Know for Robust Multilingual Retrieval-Augmented Generation", "2023",
                 "2312.11361"),
    "mteb": ("Muennighoff, Niklas and Tazi, Nouamane and Magne, Loic and Reimers, Nils",
             "MTEB: Massive Text Embedding Benchmark", "2022", "2210.07316"),
    "mmarco": ("Bonifacio, Luiz and Jeronymo, Vitor and Abonizio, Hugo Queiroz and Campiotti, Israel and Fadaee, "
               "Marzieh and Lotufo, Roberto and Nogueira, Rodrigo",
               "mMARCO: A Multilingual Version of the MS MARCO Passage Ranking Dataset", "2021", "2108.13897"),
    "ntrex": ("Federmann, Christian and Kocmi, Tom and Xin, Ying",
              "NTREX-128: News Test References for MT Evaluation of 128 Languages", "2022", ""),
    "hybrid-batch": ("Elmahdy, Adel and Lin, Sheng-Chieh and Ahmad, Amin",
                     "Hybrid Batch Training for multilingual retrieval", "2024", "2408.10536"),
}  # fmt: skip
"""Key -> authors, title, year, arXiv number (or nothing)."""

CITED_FOR = {
    "xquad-r": ("lareqa", "xquad"), "mlqa-r": ("lareqa", "mlqa"), "scifact": ("scifact", "beir"),
    "climate-fever": ("climate-fever",), "miracl-lite": ("miracl", "nomiracl"), "miracl": ("miracl", "mteb"),
    "mmarco": ("mmarco",), "ntrex": ("ntrex",), "mteb": ("mteb",), "beir": ("beir", "mteb"),
}  # fmt: skip
"""Data set -> keys; the longest name that a task's or source's name starts with counts."""


def keys_for(name: str) -> tuple[str, ...]:
    """Keys of what to cite for a task or source; none where nothing is known."""
    known = [n for n in CITED_FOR if name == n or name.startswith((f"{n}-", f"{n}:"))]
    return CITED_FOR[max(known, key=len)] if known else ()


def bibtex(key: str) -> str:
    """One entry."""
    author, title, year, arxiv = REFERENCES[key]
    lines = [f"@misc{{{key},", f"  author = {{{author}}},", f"  title = {{{{{title}}}}},", f"  year = {{{year}}},"]
    if arxiv:
        lines += [f"  eprint = {{{arxiv}}},", "  archivePrefix = {arXiv},"]
    return "\n".join([*lines, "}"])
