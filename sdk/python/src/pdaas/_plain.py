"""Takes the contract's JSON apart (ProtoJSON): a field with its default value is absent there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, TypeVar, cast

from ._answer import JsonObject
from .errors import PdaasError, class_of

_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|z|[+-]\d{2}:\d{2})"
)
_Name = TypeVar("_Name", bound=str)


def text(answer: JsonObject, name: str) -> str:
    value = answer.get(name, "")
    if not isinstance(value, str):
        raise _unreadable(name)
    return value


def texts(answer: JsonObject, name: str) -> list[str]:
    values = _list(answer, name)
    if not all(isinstance(value, str) for value in values):
        raise _unreadable(name)
    return cast("list[str]", values)


def message(answer: JsonObject, name: str) -> JsonObject:
    """A message that the contract promises."""
    value = answer.get(name)
    if not isinstance(value, dict):
        raise _unreadable(name)
    return value


def messages(answer: JsonObject, name: str) -> list[JsonObject]:
    values = _list(answer, name)
    if not all(isinstance(value, dict) for value in values):
        raise _unreadable(name)
    return values


def time_of(answer: JsonObject, name: str) -> datetime:
    """A time that the contract promises, to the microsecond."""
    time = optional_time_of(answer, name)
    if time is None:
        raise _unreadable(name)
    return time


def optional_time_of(answer: JsonObject, name: str) -> datetime | None:
    value = answer.get(name)
    if value is None:
        return None
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _unreadable(name)
    date, clock, fraction, zone = match.groups()
    offset = "+00:00" if zone in "Zz" else zone
    try:
        time = datetime.fromisoformat(f"{date}T{clock}{offset}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise _unreadable(name) from None
    return time + timedelta(microseconds=int((fraction or "").ljust(6, "0")[:6]))


def time_text(time: datetime, name: str) -> str:
    """A time as the contract's JSON has it.

    Raises:
        ValueError: It has no time zone, and so says no moment.
    """
    if time.utcoffset() is None:
        raise ValueError(f"{name} must have a time zone, such as datetime.now(timezone.utc).")
    return time.astimezone(timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def name_of(
    names: Mapping[str, _Name], answer: JsonObject, field: str
) -> _Name | Literal["unspecified"]:
    """A value of an enum by its plain name; `unspecified` when it is newer than this package."""
    value = answer.get(field)
    return names.get(value, "unspecified") if isinstance(value, str) else "unspecified"


def given(**fields: Any) -> JsonObject:
    """A request of the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def _list(answer: JsonObject, name: str) -> list[Any]:
    value = answer.get(name, [])
    if not isinstance(value, list):
        raise _unreadable(name)
    return value


def _unreadable(name: str) -> PdaasError:
    return class_of("internal")(f"The service answered without a valid {name}.", code="internal")
