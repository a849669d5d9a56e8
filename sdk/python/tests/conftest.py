from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from support.server import Handler, Server, serve

from pdaas import Client

KEY: dict[str, Any] = {"access_key": "sa_myorg_acc123_test", "secret_key": "sk_verysecret"}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PDAAS_API_URL", "PDAAS_ACCESS_KEY", "PDAAS_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    # What is on loopback is reached without a proxy.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start(opened: ExitStack) -> Callable[[Handler], Server]:
    """Starts a server for the length of a test."""
    return lambda handler: opened.enter_context(serve(handler))


@pytest.fixture
def connect(opened: ExitStack) -> Callable[..., Client]:
    """Makes a client with an API key, or with the login that is given."""

    def make(server: Server, **options: Any) -> Client:
        credentials = {} if "email" in options else KEY
        return opened.enter_context(Client(base_url=server.url, **credentials, **options))

    return make
