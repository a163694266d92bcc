"""Nested values with tensors inside, as JSON beside a flat table of tensors: what safetensors can hold. No pickle."""

from __future__ import annotations

from torch import Tensor


def flatten(value: object, tensors: dict[str, Tensor], path: str = "") -> object:
    """``value`` as plain JSON; its tensors are put into ``tensors`` under the path that leads to them.

    Raises:
        TypeError: a value is none of tensor, dict, list, tuple, text, number, bool, None.
    """
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous()
        return {"tensor": path}
    if isinstance(value, dict):
        return {"dict": [[key, flatten(v, tensors, f"{path}.{key}".lstrip("."))] for key, v in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [flatten(v, tensors, f"{path}.{i}".lstrip(".")) for i, v in enumerate(value)]}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"{path}: a {type(value).__name__} cannot be stored without pickle")


def unflatten(value: object, tensors: dict[str, Tensor]) -> object:
    """The inverse of ``flatten``."""
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "dict":
        return {key: unflatten(v, tensors) for key, v in inside}
    parts = [unflatten(v, tensors) for v in inside]
    return parts if kind == "list" else tuple(parts)
