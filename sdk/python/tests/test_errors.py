from __future__ import annotations

import base64
import copy
import json
import pickle
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, get_args

import httpx
import pytest
from conftest import KEY
from support.refusal import duration, refusal
from support.server import Answer, Handler, Server, encode

import pdaas
from pdaas import Client, PdaasError
from pdaas._error_details import read_details

Start = Callable[[Handler], Server]
Connect = Callable[..., Client]


def failure(client: Client) -> PdaasError:
    with pytest.raises(PdaasError) as caught:
        client.organizations.get_info()
    return caught.value


def test_a_refusal_with_every_detail_is_told_in_full(start: Start, connect: Connect) -> None:
    refused = refusal(
        "invalid_argument",
        "FIELD_INVALID",
        message="Correct the request.",
        metadata={"hint": "x", "größe": "1"},
        retry_after=1.5,
        violations=[("name", "must not be empty"), ("permissions[2]", "is unknown")],
    )
    error = failure(connect(start(lambda _: refused)))
    assert type(error) is pdaas.InvalidArgumentError
    assert (error.code, error.reason) == ("invalid_argument", "FIELD_INVALID")
    assert error.message == str(error) == "Correct the request."
    assert error.request_id == "req_detail"
    assert error.retry_after == 1.5
    assert error.violations == (("name", "must not be empty"), ("permissions[2]", "is unknown"))
    assert error.violations[1].field == "permissions[2]"
    assert error.metadata == {"hint": "x", "größe": "1"}
    assert not error.retryable


def test_a_refusal_that_the_service_sent_is_read() -> None:
    details = read_details(
        [
            {"type": "google.rpc.ErrorInfo", "value": "Cg1GSUVMRF9JTlZBTElEEgVwZGFhcw"},
            {
                "type": "google.rpc.RequestInfo",
                "value": "CiRyZXFfZTEyOTRiMTRiOGNhNGE5ZTliZmZiOTdjODExZTJmZWY",
            },
            {
                "type": "google.rpc.BadRequest",
                "value": "CjIKEW9yZ2FuaXphdGlvbl9zbHVnEh1tdXN0IGJlIGF0IGxlYXN0IDEgY2hhcmFjdGVycwom"
                "CgVlbWFpbBIdbXVzdCBiZSBhdCBsZWFzdCAzIGNoYXJhY3RlcnM",
            },
        ]
    )
    assert details.reason == "FIELD_INVALID"
    assert details.request_id == "req_e1294b14b8ca4a9e9bffb97c811e2fef"
    assert details.violations == [
        ("organization_slug", "must be at least 1 characters"),
        ("email", "must be at least 3 characters"),
    ]


def test_the_request_id_of_the_header_comes_first(start: Start, connect: Connect) -> None:
    answer = refusal("not_found", "RESOURCE_NOT_FOUND")
    headers = {**answer.headers, "x-request-id": "req_header"}
    error = failure(connect(start(lambda _: Answer(answer.content, 404, headers))))
    assert type(error) is pdaas.NotFoundError
    assert error.request_id == "req_header"


def test_a_refusal_of_another_domain_has_a_code_and_no_reason(
    start: Start, connect: Connect
) -> None:
    refused = refusal("permission_denied", "MINE", domain="proxy.example", metadata={"a": "b"})
    error = failure(connect(start(lambda _: refused)))
    assert type(error) is pdaas.PermissionDeniedError
    assert (error.reason, error.metadata, error.violations) == (None, {}, ())
    assert error.retry_after is None


CODES = ["canceled", *get_args(pdaas.ErrorCode)[1:]]


def test_there_are_16_canonical_codes() -> None:
    assert len(set(CODES)) == 16


@pytest.mark.parametrize("code", CODES)
def test_every_canonical_code_has_its_name(code: str, start: Start, connect: Connect) -> None:
    answer = Answer(encode({"code": code, "message": "no"}), 499)
    error = failure(connect(start(lambda _: answer), max_retries=0))
    assert error.code == ("cancelled" if code == "canceled" else code)
    assert isinstance(error, PdaasError)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (302, "unknown"),
        (400, "internal"),
        (401, "unauthenticated"),
        (403, "permission_denied"),
        (404, "unimplemented"),
        (418, "unknown"),
        (429, "unavailable"),
        (502, "unavailable"),
        (503, "unavailable"),
        (504, "unavailable"),
    ],
)
def test_an_answer_of_something_between_stands_for_a_code(
    status: int, code: str, start: Start, connect: Connect
) -> None:
    answer = Answer(b"<html>", status, {"content-type": "text/html", "location": "/elsewhere"})
    server = start(lambda _: answer)
    error = failure(connect(server, max_retries=0))
    assert (error.code, error.reason) == (code, None)
    assert str(status) in error.message
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>", 200, {"content-type": "text/html"}),
        Answer(b'{"organization":{"id":"org_1"', 200),
        Answer(b"[]"),
        Answer(b"[" * 100_000),
        Answer(b"\xff"),
        Answer(b"{}"),
        Answer(encode({"organization": []})),
        Answer(encode({"organization": {"id": 1}})),
        Answer(encode({"organization": {"createTime": "yesterday"}})),
        Answer(encode({"organization": {"createTime": "2026-13-01T00:00:00Z"}})),
    ],
    ids=lambda answer: repr(answer.content[:50]),
)
def test_an_answer_that_cannot_be_read_is_internal(
    answer: Answer, start: Start, connect: Connect
) -> None:
    error = failure(connect(start(lambda _: answer)))
    assert (error.code, error.retryable) == ("internal", False)


@pytest.mark.parametrize(
    "details",
    [
        None,
        "x",
        [None, 1, {}, {"type": 1, "value": 2}],
        [{"type": "google.rpc.ErrorInfo", "value": value} for value in ("!", "Cg", "Cv//", "CwAA")],
        [{"type": "google.rpc.RetryInfo", "value": value} for value in ("CgII", "////////////Dw")],
        [{"type": "google.rpc.BadRequest", "value": "CgQKAv//"}],
        [{"type": "google.rpc.Unknown", "value": "CgA"}],
    ],
)
def test_details_that_cannot_be_read_are_left_out(details: object) -> None:
    assert read_details(details) == read_details([])


@pytest.mark.parametrize("seconds", [0.0, 0.25, 1.0, 315_576_000_000.0])
def test_a_delay_is_read_in_seconds(seconds: float) -> None:
    encoded = duration(seconds)
    value = base64.b64encode(bytes([0x0A, len(encoded)]) + encoded).decode()
    details = read_details([{"type": "google.rpc.RetryInfo", "value": value}])
    assert details.retry_after == seconds


def test_a_delay_that_is_negative_is_none() -> None:
    seconds = base64.b64encode(b"\x0a\x0b\x08" + b"\xff" * 9 + b"\x01").decode()
    details = read_details([{"type": "google.rpc.RetryInfo", "value": seconds}])
    assert details.retry_after == 0


def test_unknown_fields_of_every_wire_type_are_skipped() -> None:
    unknown = b"\x20\x96\x01" + b"\x29" + b"\x00" * 8 + b"\x35" + b"\x00" * 4 + b"\x3a\x01x"
    message = unknown + b"\x0a\x01R\x12\x05pdaas" + unknown
    value = base64.b64encode(message).decode()
    assert read_details([{"type": "google.rpc.ErrorInfo", "value": value}]).reason == "R"


def test_nobody_listens_so_it_is_unavailable_with_the_cause() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with Client(base_url=f"http://127.0.0.1:{port}", **KEY, max_retries=0) as client:
            error = failure(client)
    assert type(error) is pdaas.UnavailableError
    assert error.retryable
    assert isinstance(error.__cause__, httpx.ConnectError)
    assert "refused" in error.message


@pytest.fixture
def released() -> Any:
    event = threading.Event()
    yield event
    event.set()


def test_no_answer_in_time_is_deadline_exceeded(
    start: Start, connect: Connect, released: threading.Event
) -> None:
    def wait(_: object) -> dict[str, Any]:
        released.wait(10)
        return {}

    server = start(wait)
    error = failure(connect(server, timeout=0.05))
    assert type(error) is pdaas.DeadlineExceededError
    assert error.message == "There was no answer within 0.05 s."
    assert not error.retryable
    assert int(server.requests[0].headers["connect-timeout-ms"]) <= 50


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "interval"),
    [([HEAD, *[b" "] * 100], 0.05), ([b"", HEAD], 0.7)],
    ids=["trickles", "stops after its head"],
)
def test_an_answer_that_is_slow_does_not_outlast_the_deadline(
    pieces: list[bytes], interval: float, released: threading.Event
) -> None:
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        # The client breaks the connection.
        with connection, suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                released.wait(interval)
            released.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=[listener])
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        begin = monotonic()
        with Client(base_url=url, **KEY, timeout=0.8) as client:
            error = failure(client)
        elapsed = monotonic() - begin
        released.set()
        thread.join()
    assert error.code == "deadline_exceeded"
    assert 0.8 <= elapsed < 1.3


def test_no_time_at_all_is_deadline_exceeded_before_anything_is_sent(
    start: Start, connect: Connect
) -> None:
    server = start(lambda _: {})
    with pytest.raises(pdaas.DeadlineExceededError):
        connect(server).organizations.get_info(timeout=0)
    assert server.requests == []


def test_an_error_survives_copying_and_pickling() -> None:
    error = pdaas.NotFoundError("no", code="not_found", reason="RESOURCE_NOT_FOUND")
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is pdaas.NotFoundError
        assert (str(other), other.reason) == ("no", "RESOURCE_NOT_FOUND")
    assert "RESOURCE_NOT_FOUND" in repr(error)


def test_a_broken_answer_with_a_secret_is_in_no_exception(start: Start, connect: Connect) -> None:
    cut = json.dumps({"apiKey": {"id": "key_1"}, "secretKey": "sk_issuedsecret"})[:-1]
    client = connect(start(lambda _: Answer(cut.encode())))
    with pytest.raises(PdaasError) as caught:
        client.service_accounts.issue_key(service_account_id="svc_1")
    error: BaseException | None = caught.value
    while error is not None:
        assert "issuedsecret" not in repr(vars(error)) + repr(error)
        error = error.__cause__ or error.__context__
