"""Generates the embedded data set from CLDR (through Babel) and the templates: ``python -m tasks.demo_build``.

The result is frozen in ``demo_data/``: a newer Babel brings a newer CLDR and so other facts. ``--check`` generates in
memory and compares. A fact is kept only if all eleven languages name its entities and no two facts ask the same.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
LANGS = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
OUT_OF_DOMAIN = ("script",)
TEST, DEV = 0.32, 0.10

OTHER_SCRIPT = frozenset({"ar", "el", "hi", "ru", "th", "zh"})
"""Languages in which CLDR's fallback for a city, the Latin identifier, is not a name."""

VARIETIES = frozenset({("HK", "yue"), ("SA", "ars")})
"""Not official by CLDR, but spoken forms of a language that is: no good answer to the question for one that is not."""

Names = tuple[str, ...]
"""One name per language of ``LANGS``."""


class Fact(NamedTuple):
    """``relation(a) = b``; ``year`` is text where the relation has one."""

    relation: str
    code: str
    a: Names
    b: Names
    year: str = ""


@cache
def locales() -> tuple[Any, ...]:
    """Babel's locales, in the order of ``LANGS``."""
    from babel import Locale

    return tuple(Locale.parse(lang) for lang in LANGS)


def table(name: str) -> Any:
    """One of CLDR's tables that no language owns."""
    from babel.core import get_global

    return get_global(name)


def everywhere(names: list[str | None]) -> Names | None:
    """The names as a tuple, or None where a language lacks one."""
    found = [name for name in names if name]
    return tuple(found) if len(found) == len(LANGS) else None


def display(kind: str, code: str) -> Names | None:
    """Names of a territory, language, currency or script."""
    return everywhere([getattr(locale, kind).get(code) for locale in locales()])


@cache
def spellings() -> dict[str, list[str]]:
    """Time zone -> its own and all former identifiers: CLDR files some names under the former one."""
    found = {zone: [zone] for zone in table("zone_territories")}
    for former, zone in sorted(table("zone_aliases").items()):
        found.setdefault(zone, [zone]).append(former)
    return found


def city(zone: str) -> Names | None:
    """Names of a time zone's city; where a language of Latin script has none, it is the identifier's last part."""
    fallback = zone.rpartition("/")[2].replace("_", " ")
    names: list[str | None] = []
    for lang, locale in zip(LANGS, locales(), strict=True):
        known = (locale.time_zones.get(identifier, {}).get("city") for identifier in spellings()[zone])
        names.append(next(filter(None, known), None if lang in OTHER_SCRIPT else fallback))
    return everywhere(names)


def meta_zone(name: str) -> Names | None:
    """Names of a time zone, generic where there is one."""
    longs = [locale.meta_zones[name]["long"] if name in locale.meta_zones else {} for locale in locales()]
    return everywhere([long.get("generic") or long.get("standard") for long in longs])


def day(number: int) -> Names:
    """Names of a weekday, Monday is 0."""
    return tuple(locale.days["stand-alone"]["wide"][number] for locale in locales())


@cache
def territories() -> list[str]:
    """Codes of single territories (no groupings, not the unknown one) that every language names."""
    zoned = (t for t in table("territory_zones") if t.isalpha() and len(t) == 2 and t != "ZZ")
    return sorted(t for t in zoned if display("territories", t))


def currency_facts() -> Iterator[Fact]:
    """Currency in use, and the one before it with the last year of its use."""
    for t in territories():
        tender = [entry for entry in table("territory_currencies").get(t, []) if entry[3]]
        now = [entry for entry in tender if entry[2] is None]
        past = sorted((entry[2], entry[0]) for entry in tender if entry[2] is not None)
        if len(now) == 1:
            yield from fact("currency", t, "territories", t, display("currencies", now[0][0]))
        if past and (not now or past[-1][1] != now[-1][0]):
            end, code = past[-1]
            yield from fact("former_currency", t, "territories", t, display("currencies", code), str(end[0]))


def spoken(territory: str, status: tuple[str | None, ...], least: float = 0) -> str | None:
    """The language with the most speakers among those of a status; ``least`` is a percentage of the population."""
    shares = [
        (-info["population_percent"], lang)
        for lang, info in table("territory_languages").get(territory, {}).items()
        if info["official_status"] in status and info["population_percent"] > least and lang.isalpha() and lang != "und"
    ]
    return min(shares)[1] if shares else None


def language_facts() -> Iterator[Fact]:
    """Most spoken official language, most spoken language without any status, home and script of a language."""
    asked = set()
    known = territories()
    for t in known:
        official, other = spoken(t, ("official", "de_facto_official")), spoken(t, (None,), least=1)
        if official is not None:
            asked.add((official, t))
            yield from fact("official_language", t, "territories", t, display("languages", official))
            if other is not None and (t, other) not in VARIETIES:
                asked.add((other, t))
                yield from fact("other_language", t, "territories", t, display("languages", other))
    for lang in sorted(locales()[0].languages):
        subtags = str(table("likely_subtags").get(lang, "")).split("_")
        if len(subtags) == 3 and lang.isalpha() and lang != "und":
            if (lang, subtags[2]) not in asked and subtags[2] in known:
                yield from fact("home", lang, "languages", lang, display("territories", subtags[2]))
            yield from fact("script", lang, "languages", lang, display("scripts", subtags[1]))


def clock_facts() -> Iterator[Fact]:
    """Territory and time zone of a city, first day of the week of a territory."""
    from babel import Locale, localedata

    for zone in sorted(table("zone_territories")):
        town = None if zone.startswith("Etc/") or "/" not in zone else city(zone)
        if town is None:
            continue
        country = table("zone_territories")[zone]
        if country in territories():
            yield from different("city_territory", zone, town, display("territories", country))
        yield from different("city_zone", zone, town, meta_zone(table("meta_zones").get(zone, "")))
    regional = (Locale.parse(identifier) for identifier in sorted(localedata.locale_identifiers()))
    first = {locale.territory: locale.first_week_day for locale in regional if locale.territory}
    for t in territories():
        if t in first:
            yield from fact("week", t, "territories", t, day(first[t]))


def fact(relation: str, code: str, kind: str, a: str, b: Names | None, year: str = "") -> Iterator[Fact]:
    """The fact about an entity of CLDR, if every language names it and its answer, and no two names are the same."""
    named = display(kind, a)
    if named is not None:
        yield from different(relation, code, named, b, year)


def different(relation: str, code: str, a: Names, b: Names | None, year: str = "") -> Iterator[Fact]:
    """The fact, if every language names the answer, and not as it names the entity."""
    if b is not None and all(x.casefold() != y.casefold() for x, y in zip(a, b, strict=True)):
        yield Fact(relation, code, a, b, year)


def facts() -> list[Fact]:
    """All facts; of those that ask the same in any language none is kept."""
    found = [*currency_facts(), *language_facts(), *clock_facts()]
    count: dict[tuple[str, ...], int] = {}
    for f in found:
        for lang, name in zip(LANGS, f.a, strict=True):
            key = (f.relation, lang, name.casefold(), f.year)
            count[key] = count.get(key, 0) + 1
    return [
        f for f in found
        if all(count[f.relation, lang, name.casefold(), f.year] == 1 for lang, name in zip(LANGS, f.a, strict=True))
    ]  # fmt: skip


def share(*names: str) -> float:
    """A number in [0, 1) that depends on the names alone."""
    return int.from_bytes(hashlib.sha256("\0".join(names).encode()).digest()[:8], "big") / 2**64


def pick(choices: list[str], *names: str) -> str:
    """One of the choices, by the names alone."""
    return choices[int(share(*names) * len(choices))]


def split_of(f: Fact) -> str:
    """train, dev, test or ood."""
    if f.relation in OUT_OF_DOMAIN:
        return "ood"
    at = share("split", f.relation, f.code)
    return "test" if at < TEST else "dev" if at < TEST + DEV else "train"


def templates() -> dict[str, Any]:
    """Language -> wordings: ``frames`` of questions around a noun (``x``), and per relation the nouns and passages."""
    return {lang: tomllib.loads((HERE / "demo_templates" / f"{lang}.toml").read_text("utf-8")) for lang in LANGS}


def question(f: Fact, at: int, form: dict[str, Any], unseen: bool) -> str:
    """The question in one language, in a wording of training or in one that is kept for testing."""
    lang, tag = LANGS[at], "_test" if unseen else ""
    noun = pick(form[f.relation][f"ask{tag}"], "ask", lang, f.relation, f.code, tag)
    frame = pick(form[f"frames{tag}"], "frame", lang, f.relation, f.code, tag)
    asked = frame.format(x=noun.format(a=f.a[at], y=f.year))
    return asked[:1].upper() + asked[1:]


def passage(f: Fact, at: int, form: dict[str, Any], split: str) -> str:
    """The passage in one language; the last wording is never used in training."""
    tell = form[f.relation]["tell"]
    wording = pick(tell[:-1] if split == "train" else tell, "tell", LANGS[at], f.relation, f.code)
    return wording.format(a=f.a[at], b=f.b[at], y=f.year)


def records() -> list[dict[str, object]]:
    """One record per fact, in order of id."""
    forms = templates()
    out: list[dict[str, object]] = []
    for f in sorted(facts(), key=lambda f: (f.relation, f.code)):
        split = split_of(f)
        ask = {lang: question(f, at, forms[lang], split in ("test", "ood")) for at, lang in enumerate(LANGS)}
        record: dict[str, object] = {
            "id": f"{f.relation}:{f.code}",
            "relation": f.relation,
            "split": split,
            "query": ask,
        }
        record["passage"] = {lang: passage(f, at, forms[lang], split) for at, lang in enumerate(LANGS)}
        if split == "test":
            record["query_seen"] = {lang: question(f, at, forms[lang], False) for at, lang in enumerate(LANGS)}
        out.append(record)
    return out


def names() -> list[dict[str, object]]:
    """Parallel names of all entities, for pre-training a base encoder that has seen no sentence."""
    found: dict[Names, str] = {}
    for kind in ("territories", "languages", "currencies", "scripts"):
        for code in sorted(getattr(locales()[LANGS.index("en")], kind)):
            named = display(kind, code)
            if named is not None:
                found.setdefault(named, kind)
    for zone in sorted(table("zone_territories")):
        town = None if zone.startswith("Etc/") or "/" not in zone else city(zone)
        if town is not None:
            found.setdefault(town, "cities")
    for meta in sorted(set(table("meta_zones").values())):
        clock = meta_zone(meta)
        if clock is not None:
            found.setdefault(clock, "zones")
    for number in range(7):
        found.setdefault(day(number), "days")
    return [{"kind": kind, "name": dict(zip(LANGS, named, strict=True))} for named, kind in found.items()]


def pack(rows: list[dict[str, object]]) -> bytes:
    """Gzipped JSON lines; the same rows give the same bytes."""
    text = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0, compresslevel=9) as file:
        file.write(text.encode())
    return out.getvalue()


def build() -> dict[str, bytes]:
    """File name -> content of everything in ``demo_data/``."""
    import babel

    rows = records()
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        by_relation = counts.setdefault(str(row["split"]), {})
        by_relation[str(row["relation"])] = by_relation.get(str(row["relation"]), 0) + 1
    files = {"facts.jsonl.gz": pack(rows), "names.jsonl.gz": pack(names())}
    about = {
        "babel": babel.__version__,
        "cldr": table("cldr")["version"],
        "facts": counts,
        "totals": {split: sum(by.values()) for split, by in counts.items()},
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    files["about.json"] = (json.dumps(about, indent=1, sort_keys=True) + "\n").encode()
    return files


def main() -> int:
    """Write ``demo_data/``, or compare it with what would be written."""
    parser = argparse.ArgumentParser(prog="python -m tasks.demo_build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    folder = HERE / "demo_data"
    folder.mkdir(exist_ok=True)
    differs = 0
    for name, data in build().items():
        path = folder / name
        same = path.is_file() and path.read_bytes() == data
        print(f"{name}: {len(data):,} bytes, {'as committed' if same else 'differs'}")
        differs += not same
        if not check:
            path.write_bytes(data)
    return 1 if check and differs else 0


if __name__ == "__main__":
    sys.exit(main())
