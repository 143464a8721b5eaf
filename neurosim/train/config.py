"""Tables to frozen dataclasses and back: types and unknown keys are checked, and every message names the place."""

from __future__ import annotations

import dataclasses
import json
import re
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from neurosim.errors import RangeError, check_choice, nearest

T = TypeVar("T")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def parse(cls: type[T], table: Any, where: str) -> T:
    """The dataclass ``cls`` with the values of ``table``.

    Args:
        cls: a dataclass of plain fields: int, float, str, bool, Literal, dict, tuples, other dataclasses, unions.
        table: its fields by name; those with a default may be missing.
        where: place of the table, for messages.

    Raises:
        RangeError: an unknown key (with the nearest match), a missing one, a value of another type or out of range.
    """
    if not isinstance(table, Mapping):
        raise RangeError(f"{where}: must be a table, got {table!r}.")
    known = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            listed = ", ".join(known)
            raise RangeError(f"{where}: unknown key {key!r}.{nearest(key, known)} Known are: {listed}.")
    empty = dataclasses.MISSING
    needed = [n for n, f in known.items() if f.default is empty and f.default_factory is empty and n not in table]
    if needed:
        raise RangeError(f"{where}: {', '.join(needed)} must be given, got only {sorted(table)}.")
    hints = get_type_hints(cls)
    values = {key: convert(hints[key], value, f"{where}.{key}") for key, value in table.items()}
    try:
        return cls(**values)
    except RangeError as error:
        raise RangeError(f"{where}: {error}") from None


def convert(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the type ``hint`` asks for: whole numbers become floats, lists tuples, tables dataclasses.

    Raises:
        RangeError: a value of another type.
    """
    if hint is Any:
        return value
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union(args, value, where)
    if origin is Literal:
        check_choice(where, value, args)
        return value
    if origin is tuple:
        return _sequence(args, value, where)
    if origin is dict or hint is dict:
        if not isinstance(value, Mapping):
            raise RangeError(f"{where}: must be a table, got {value!r}.")
        return dict(value)
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else parse(hint, value, where)  # type: ignore[arg-type]
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        name = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}[hint.__name__]
        raise RangeError(f"{where}: must be {name}, got {value!r} ({type(value).__name__}).")
    return value


def dump(value: Any) -> Any:
    """Plain tables, lists and values of a dataclass; fields that are None are left out."""
    if dataclasses.is_dataclass(value):
        pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {name: dump(v) for name, v in pairs if v is not None}
    if isinstance(value, Mapping):
        return {k: dump(v) for k, v in value.items()}
    return [dump(v) for v in value] if isinstance(value, (list, tuple)) else value


def to_toml(table: Mapping[str, Any]) -> str:
    """TOML text of plain tables: top-level tables and lists of tables get headers, deeper ones are inline.

    Example:
        >>> print(to_toml({"name": "a", "train": {"lr": 0.1}, "layers": [{"type": "flatten"}]}))
        name = "a"
        <BLANKLINE>
        [train]
        lr = 0.1
        <BLANKLINE>
        [[layers]]
        type = "flatten"
        <BLANKLINE>
    """
    plain, blocks = [], []
    for key, value in table.items():
        if isinstance(value, Mapping):
            blocks.append((f"[{key}]", value))
        elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            blocks += [(f"[[{key}]]", v) for v in value]
        else:
            plain.append(f"{key} = {_inline(value)}")
    for header, block in blocks:
        plain += ["", header, *(f"{k} = {_inline(v)}" for k, v in block.items())]
    return "\n".join(plain) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_inline(v) for v in value) + "]"
    if isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _key(key: str) -> str:
    return key if BARE_KEY.fullmatch(key) else json.dumps(key)


def _union(members: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in members:
        return None
    others = [m for m in members if m is not type(None)]
    errors = []
    for member in others:
        try:
            return convert(member, value, where)
        except RangeError as error:
            errors.append(error)
    raise errors[-1] if len(errors) == 1 else RangeError(f"{where}: no allowed type fits {value!r} ({errors[-1]})")


def _sequence(args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise RangeError(f"{where}: must be a list, got {value!r}.")
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(convert(args[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if len(value) != len(args):
        raise RangeError(f"{where}: must have {len(args)} entries, got {list(value)}.")
    return tuple(convert(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True)))
