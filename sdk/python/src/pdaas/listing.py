"""Listings, which are fetched as they are read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from ._answer import JsonObject
from ._caller import Caller
from ._plain import messages, text

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a listing."""

    items: list[T]
    next_page_token: str | None
    """Asks for the next page; None on the last one."""


class Listing(Iterator[T]):
    """An iterator over every item on every page. Nothing is asked of the service before it is read.

    After a call that failed, reading goes on where it stopped.
    """

    def __init__(self, fetch: Callable[[str], Page[T]], page_token: str | None = None) -> None:
        """`fetch` gets a page; the first one with an empty token."""
        self._fetch = fetch
        self._first = page_token or ""
        self._next: str | None = self._first
        self._items: deque[T] = deque()

    def page(self) -> Page[T]:
        """Gets the page that the listing begins with."""
        return self._fetch(self._first)

    def pages(self) -> Iterator[Page[T]]:
        """Gets page after page, from the first one on."""
        token: str | None = self._first
        while token is not None:
            page = self._fetch(token)
            yield page
            token = page.next_page_token

    def __next__(self) -> T:
        while not self._items:
            if self._next is None:
                raise StopIteration
            page = self._fetch(self._next)
            self._items.extend(page.items)
            self._next = page.next_page_token
        return self._items.popleft()


def list_of(
    caller: Caller,
    method: str,
    filters: JsonObject,
    items: str,
    convert: Callable[[JsonObject], T],
    *,
    page_token: str | None,
    timeout: float | None,
) -> Listing[T]:
    """A listing of what a List RPC answers with in its field `items`."""

    def fetch(token: str) -> Page[T]:
        request = {**filters, "pageToken": token}
        answer = caller.call(method, request, repeatable=True, timeout=timeout)
        found = [convert(item) for item in messages(answer, items)]
        return Page(found, text(answer, "nextPageToken") or None)

    return Listing(fetch, page_token)
