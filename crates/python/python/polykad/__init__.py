"""Polykad: put, get, announce and watch in distributed hash tables.

``Client`` talks to a daemon (``polykad serve``), ``Node`` runs a node in this process; both
can do the same. ``AsyncClient`` and ``AsyncNode`` are the same for asyncio.
"""

from ._native import Author, __version__, blob_key, record_key, topic_key
from .aio import AsyncClient, AsyncNode
from .errors import (
    ConflictError,
    InvalidRequestError,
    NotAllowedError,
    NotFoundError,
    PolykadError,
    UnavailableError,
    UnreachableError,
)
from .sync import Client, Node

__all__ = [
    "AsyncClient",
    "AsyncNode",
    "Author",
    "Client",
    "ConflictError",
    "InvalidRequestError",
    "Node",
    "NotAllowedError",
    "NotFoundError",
    "PolykadError",
    "UnavailableError",
    "UnreachableError",
    "__version__",
    "blob_key",
    "record_key",
    "topic_key",
]
