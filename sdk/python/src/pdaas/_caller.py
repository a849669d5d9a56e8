from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from math import ceil

import httpx

from ._answer import JsonObject, read_answer
from ._credentials import Credentials
from ._deadline import Deadline
from ._retry import may_retry, retry_delay
from .errors import ErrorCode, PdaasError, class_of


class Caller:
    """Makes calls, each with its credentials, retries and deadline. Threads may share it."""

    def __init__(
        self,
        http: httpx.Client,
        credentials: Credentials,
        *,
        base_url: str,
        timeout: float,
        max_retries: int,
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._base_url = base_url
        self._timeout = timeout
        self._max_retries = max_retries

    def call(
        self,
        method: str,
        request: JsonObject,
        *,
        repeatable: bool = False,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> JsonObject:
        """Makes a call of a method such as `AuthService/WhoAmI`.

        Args:
            repeatable: That the call does no harm when it is carried out twice, where no request id
                says so.
            timeout: How many seconds it may take; the client's timeout when absent.

        Raises:
            PdaasError: The call failed.
        """
        deadline = Deadline(self._timeout if timeout is None else timeout)
        repeatable = repeatable or bool(request.get("requestId"))
        content = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
        mended = False
        attempts = 1
        while True:
            deadline.check()
            proof = self._credentials.headers(deadline)
            try:
                return self._attempt(method, content, {**(headers or {}), **proof}, deadline)
            except PdaasError as error:
                if not mended and self._credentials.recover(error, proof, deadline):
                    mended = True
                    continue
                self._pause(error, attempts, repeatable, deadline)
                attempts += 1

    def _attempt(
        self, method: str, content: bytes, headers: Mapping[str, str], deadline: Deadline
    ) -> JsonObject:
        request = self._http.build_request(
            "POST",
            f"{self._base_url}/pdaas.v1.{method}",
            content=content,
            headers={
                "content-type": "application/json",
                "connect-protocol-version": "1",
                "connect-timeout-ms": str(max(1, ceil(deadline.remaining * 1000))),
                **headers,
            },
            extensions=dict(deadline.extensions()),
        )
        try:
            response = self._http.send(request, stream=True)
            answer = _received(response, deadline)
        except httpx.TimeoutException as error:
            raise deadline.exceeded() from error
        except httpx.HTTPError as error:
            raise _without_answer(error) from error
        return read_answer(response.status_code, response.headers, answer)

    def _pause(
        self, error: PdaasError, attempts: int, repeatable: bool, deadline: Deadline
    ) -> None:
        """Raises the error, when no other attempt may follow it in time."""
        if attempts > self._max_retries or not may_retry(error, repeatable):
            raise error
        delay = retry_delay(error, attempts)
        if delay >= deadline.remaining:
            raise error
        deadline.sleep(delay)


def _received(response: httpx.Response, deadline: Deadline) -> bytes:
    content = bytearray()
    try:
        for piece in response.iter_bytes():
            content += piece
            deadline.check()
    finally:
        response.close()
    return bytes(content)


def _without_answer(error: httpx.HTTPError) -> PdaasError:
    broken = isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError))
    code: ErrorCode = "unavailable" if broken and not _is_untrusted(error) else "unknown"
    return class_of(code)(f"The service could not be reached: {error}", code=code)


def _is_untrusted(error: BaseException | None) -> bool:
    """Whether it is for the service's certificate, which another attempt will not change."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
