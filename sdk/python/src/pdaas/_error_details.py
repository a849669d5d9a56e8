"""Reads the few messages of google/rpc/error_details.proto that refusals carry."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .errors import FieldViolation

_DOMAIN = "pdaas"


@dataclass
class ErrorDetails:
    """What the details of one refusal say."""

    reason: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    violations: list[FieldViolation] = field(default_factory=list)
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_details(details: object) -> ErrorDetails:
    """Reads the `details` of a Connect error; what cannot be read is left out."""
    result = ErrorDetails()
    for detail in details if isinstance(details, list) else []:
        if not isinstance(detail, dict):
            continue
        kind, value = detail.get("type"), detail.get("value")
        if isinstance(kind, str) and isinstance(value, str):
            try:
                _read_detail(result, kind, _decoded(value))
            except ValueError:
                continue
    return result


def _read_detail(result: ErrorDetails, kind: str, message: bytes) -> None:
    match kind:
        case "google.rpc.ErrorInfo":
            reason, domain, metadata = _error_info(message)
            if domain == _DOMAIN:
                result.reason, result.metadata = reason, metadata
        case "google.rpc.RequestInfo":
            result.request_id = _texts(message).get(1)
        case "google.rpc.RetryInfo":
            delays = [value for number, value in _fields(message) if number == 1]
            if delays and isinstance(delays[-1], bytes):
                result.retry_after = _duration(delays[-1])
        case "google.rpc.BadRequest":
            result.violations += _violations(message)


def _error_info(message: bytes) -> tuple[str | None, str, dict[str, str]]:
    texts = _texts(message)
    metadata = {}
    for number, value in _fields(message):
        if number == 3 and isinstance(value, bytes):
            entry = _texts(value)
            metadata[entry.get(1, "")] = entry.get(2, "")
    return texts.get(1), texts.get(2, ""), metadata


def _violations(message: bytes) -> list[FieldViolation]:
    entries = [
        _texts(value)
        for number, value in _fields(message)
        if number == 1 and isinstance(value, bytes)
    ]
    return [FieldViolation(entry.get(1, ""), entry.get(2, "")) for entry in entries]


def _duration(message: bytes) -> float:
    numbers = {number: value for number, value in _fields(message) if isinstance(value, int)}
    return max(0.0, _signed(numbers.get(1, 0)) + _signed(numbers.get(2, 0)) / 1e9)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _texts(message: bytes) -> dict[int, str]:
    """The string fields 1 and 2, which is where all of these messages have theirs."""
    return {
        number: value.decode()
        for number, value in _fields(message)
        if number in (1, 2) and isinstance(value, bytes)
    }


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of an encoded message: numbers, and bytes for everything with a length.

    Raises:
        ValueError: The bytes are no message.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire_type == 2:
            length, at = _varint(message, at)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        end = at + length
        if end > len(message):
            raise ValueError("truncated")
        yield number, message[at:end]
        at = end


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at == len(message):
            raise ValueError("truncated")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise ValueError("varint too long")


def _decoded(value: str) -> bytes:
    """Base64 without padding, as the Connect protocol has it, or with it."""
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
