"""What goes wrong, by what can be done about it.

The API answers with problem documents (RFC 9457). The last part of their ``type`` is ``code`` here
and stays as it is: programs may rely on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class PolykadError(Exception):
    """Any failure of a request."""

    def __init__(self, problem: Mapping[str, Any], retry_after: int | None = None) -> None:
        status = int(problem.get("status") or 0)
        message = problem.get("detail") or problem.get("title") or f"the node answered {status}"
        super().__init__(message)
        #: The problem document, as the node sent it.
        self.problem = problem
        #: The status of the answer; 0: there was none.
        self.status = status
        #: What kind of problem it is: "not-found", "conflict", ...
        self.code = str(problem.get("type") or "unknown").rpartition("/")[2]
        #: Seconds after which to try again, if the node says.
        self.retry_after = retry_after


class NotFoundError(PolykadError):
    """Nobody holds it, its author has deleted it, or nobody answered there."""


class ConflictError(PolykadError):
    """The network has another version."""

    @property
    def winner(self) -> Any:
        """The version that the network has, as the node told it."""
        return self.problem.get("winner") or self.problem.get("record")


class InvalidRequestError(PolykadError):
    """It can't be served as it is: a value too long, a wrong signature, a misspelt key."""


class NotAllowedError(PolykadError):
    """Token, origin, host name, or a gateway that only reads."""


class UnavailableError(PolykadError):
    """The node or the network could not do it now: try again."""


class UnreachableError(PolykadError, ConnectionError):
    """No node was reached, or the connection broke."""


_BY_STATUS: dict[int, type[PolykadError]] = {
    400: InvalidRequestError,
    401: NotAllowedError,
    403: NotAllowedError,
    404: NotFoundError,
    405: InvalidRequestError,
    408: UnavailableError,
    409: ConflictError,
    410: NotFoundError,
    412: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    421: NotAllowedError,
    422: InvalidRequestError,
    429: UnavailableError,
}


def error_of(problem: Mapping[str, Any], retry_after: int | None = None) -> PolykadError:
    """The error that a problem document stands for."""
    status = int(problem.get("status") or 0)
    kind = _BY_STATUS.get(status, UnavailableError if status >= 500 else PolykadError)
    return kind(problem, retry_after)


def unreachable(url: str, why: str) -> UnreachableError:
    """The failure of a connection."""
    detail = f"no node at {url} ({why}): start one with `polykad serve`"
    return UnreachableError({"type": "/problems/unreachable", "status": 0, "detail": detail})


def broken(url: str) -> UnreachableError:
    """A connection that ended before the answer did."""
    detail = f"the connection to {url} broke: try again"
    return UnreachableError({"type": "/problems/unreachable", "status": 0, "detail": detail})
