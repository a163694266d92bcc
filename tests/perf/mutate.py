"""Changed copies of valid inputs: of bytes, of JSON with its structure kept, of text made of tokens."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Mutate = Callable[[bytes, Random], bytes]

ODD_BYTES = (
    b"\xef\xbb\xbf", b"\x00", b"\r\n", b"\r", b"\n", b"\t", b"\xff", b"\xc0\x80", b"\\ud800", b"\\udc00\\ud800",
    "\u2028".encode(), "\u202e".encode(), b"\x1b[2J", b"[" * 3000, b'{"a":' * 3000, b"9" * 5000, b"1e999", b"-0",
    b"NaN", b"-Infinity", b"{}", b"[]", b'""', b"null", b"../", b"\xed\xa0\x80",
)  # fmt: skip
"""What breaks readers: marks, half characters, depth, size, numbers that are none."""

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, -(2**70), 0.5, -0.0, 1e308, float("inf"), float("nan"), "", " ",
    "a", "\x00", "\n", "\ud800", "../../up", "/etc/passwd", "a/b", "$x_{$", "%s{0}", "é\u0301", "x" * 300, [], [[]],
    ["a"], [0], {}, {"a": 0}, {"": None},
)  # fmt: skip
"""What stands in JSON where something else is expected."""


def odd_bytes(data: bytes, rng: Random) -> bytes:
    """A few edits: flip, drop, repeat, cut, or put in something odd."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(out))
        end = min(len(out), at + rng.choice((1, 1, 2, 8, 64)))
        kind = rng.randint(0, 5)
        if kind == 0 and at < len(out):
            out[at] = rng.randint(0, 255)
        elif kind == 1:
            del out[at:end]
        elif kind == 2:
            out[at:at] = out[at:end]
        elif kind == 3 and rng.randint(0, 3) == 0:
            del out[at:]
        else:
            out[at:at] = rng.choice(ODD_BYTES)
    return bytes(out)


def odd_json(value: Any, rng: Random) -> Any:
    """A copy with one or two places changed: another value, a missing, repeated, renamed or moved part."""
    root = [copy.deepcopy(value)]
    for _ in range(rng.randint(1, 2)):
        holder, key = rng.choice(list(_places(root)))
        _change(holder, key, rng, root)
    return root[0]


def _change(holder: Any, key: Any, rng: Random, root: list[Any]) -> None:
    kind = rng.randint(0, 7)
    if kind == 0 and holder is not root:
        del holder[key]
    elif kind == 1 and isinstance(holder, list) and holder is not root:
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == 1 and isinstance(holder, dict):
        holder[rng.choice(("", "x", "../x", f"{key} ", "\x00", "\ud800"))] = holder.pop(key)
    elif kind == 2:
        other, place = rng.choice(list(_places(root)))
        holder[key] = copy.deepcopy(other[place])
    elif kind == 3 and isinstance(holder[key], str):
        text = holder[key]
        at = rng.randint(0, len(text))
        holder[key] = text[:at] + str(rng.choice([v for v in ODD_VALUES if isinstance(v, str)])) + text[at:]
    elif kind == 4 and isinstance(holder[key], int):
        holder[key] = holder[key] * rng.choice((-1, 10, 2**40)) + rng.choice((-1, 0, 1))
    elif kind == 5:
        holder[key] = [holder[key]] if rng.randint(0, 1) else {"x": holder[key]}
    else:
        holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))


def _places(holder: Any) -> Any:
    """Every (container, key) below ``holder``."""
    keys = holder if isinstance(holder, dict) else range(len(holder))
    for key in list(keys):
        yield holder, key
        if isinstance(holder[key], (dict, list)):
            yield from _places(holder[key])


def json_file(data: bytes, rng: Random) -> bytes:
    """A file of one JSON value: its structure changed, or its bytes, or a key written twice."""
    kind = rng.randint(0, 9)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return odd_bytes(data, rng)
    if kind == 0:
        return odd_bytes(data, rng)
    if kind == 1 and isinstance(value, dict) and value:
        key = rng.choice(list(value))
        twice = f"{{{json.dumps(key)}: {json.dumps(rng.choice(ODD_VALUES))}, "
        return twice.encode() + json.dumps(value).encode()[1:]
    return json.dumps(odd_json(value, rng), ensure_ascii=rng.randint(0, 1) == 0).encode("utf-8", "surrogatepass")


def json_lines(data: bytes, rng: Random) -> bytes:
    """A file of JSON lines: one of them changed, repeated, dropped or joined with its neighbour."""
    lines = data.split(b"\n")
    at = rng.randint(0, len(lines) - 1)
    kind = rng.randint(0, 9)
    if kind == 0:
        return odd_bytes(data, rng)
    if kind == 1:
        lines.insert(at, lines[rng.randint(0, len(lines) - 1)])
    elif kind == 2:
        del lines[at]
    elif kind == 3:
        return rng.choice((b"\r\n", b"\r", b"", b"\n\n", b" ")).join(lines)
    else:
        lines[at] = json_file(lines[at], rng)
    return b"\n".join(lines)


def gzipped(inner: Mutate) -> Mutate:
    """The same for what is inside of a gzip file; sometimes the packed bytes are changed instead, or packed twice."""

    def mutate(data: bytes, rng: Random) -> bytes:
        kind = rng.randint(0, 5)
        try:
            plain = gzip.decompress(data)
        except Exception:
            return odd_bytes(data, rng)
        if kind == 0:
            return odd_bytes(data, rng)
        packed = gzip.compress(inner(plain, rng), 1, mtime=0)
        return packed + (packed if kind == 1 else b"")

    return mutate


def rows_of_text(data: bytes, rng: Random) -> bytes:
    """A file of tab-separated lines: fields and lines changed, moved, repeated or dropped."""
    lines = [line.split(b"\t") for line in data.split(b"\n")]
    row = rng.choice(lines)
    kind = rng.randint(0, 6)
    if kind == 0:
        return odd_bytes(data, rng)
    if kind == 1:
        lines.insert(rng.randint(0, len(lines)), list(row))
    elif kind == 2:
        row[rng.randint(0, len(row) - 1)] = rng.choice((b"", b" ", b"1.5", b"-1", b"\xd9\xa1", b"9" * 30, b"q9", b"x"))
    elif kind == 3:
        row.append(rng.choice(row))
    elif kind == 4:
        row.pop()
    elif kind == 5:
        return rng.choice((b"\r\n", b"\r", b"\n\n")).join(b"\t".join(r) for r in lines)
    else:
        row[rng.randint(0, len(row) - 1)] = odd_bytes(row[0], rng)
    return b"\n".join(b"\t".join(r) for r in lines)


def tokens(words: Sequence[str]) -> Mutate:
    """Text out of words: some put in, dropped, swapped or repeated."""

    def mutate(data: bytes, rng: Random) -> bytes:
        text = data.decode("utf-8", "replace")
        for _ in range(rng.randint(1, 3)):
            at = rng.randint(0, len(text))
            kind = rng.randint(0, 5)
            if kind == 0:
                text = text[:at] + text[at + rng.choice((1, 2, 9)) :]
            elif kind == 1:
                end = rng.randint(at, len(text))
                text = text[:at] + text[at:end] * rng.choice((2, 2, 3, 200)) + text[end:]
                text = text[:20_000]
            else:
                text = text[:at] + rng.choice(words) + text[at:]
        plain = text.encode("utf-8", "surrogatepass")
        return odd_bytes(plain, rng) if rng.randint(0, 9) == 0 else plain

    return mutate
