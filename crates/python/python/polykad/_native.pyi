from typing import Optional

__version__: str

class Author:
    """Who signs: an Ed25519 key. Secrets stay in this process."""

    #: The public key, 32 bytes.
    public_key: bytes
    #: The secret seed, 32 bytes: who has it is the author.
    seed: bytes

    def __init__(self, seed: Optional[bytes] = None) -> None:
        """The author of a secret seed of 32 bytes; without one, a new author."""
    @staticmethod
    def from_key_file(path: str) -> Author:
        """The author of a key file that `polykad mainline keygen` has made."""
    def sign_item(self, value: bytes, salt: bytes, seq: int) -> bytes: ...
    def sign_record(
        self, value: Optional[bytes], salt: bytes, seq: int, expires: int
    ) -> bytes: ...
    def sign_entry(
        self, topic: str, payload: Optional[bytes], slot: int, seq: int, expires: int
    ) -> bytes: ...

class Node:
    url: str
    token: str
    listen: list[str]
    def stop(self) -> None: ...

def start(
    network: str,
    listen: list[str],
    bootstrap: list[str],
    default_bootstrap: bool,
    data: Optional[str],
    name: Optional[str],
    key: Optional[bytes],
) -> Node: ...
def blob_key(value: bytes) -> str:
    """The key that bytes have in poly."""

def record_key(public_key: str, salt: Optional[bytes] = None) -> str:
    """The key of an author's record in poly."""

def topic_key(name: bytes) -> str:
    """The key of a topic in poly."""

def check_value(key: str, value: bytes) -> None:
    """Raises ValueError unless the bytes are those of the key."""

def check_record(
    key: str,
    public_key: bytes,
    salt: bytes,
    seq: int,
    expires: int,
    value: Optional[bytes],
    signature: bytes,
) -> None:
    """Raises ValueError unless it is a record under this key, signed by its author."""

def check_entry(
    topic: str,
    public_key: bytes,
    slot: int,
    seq: int,
    expires: int,
    payload: Optional[bytes],
    signature: bytes,
) -> None:
    """Raises ValueError unless it is an entry of this topic, signed by its author."""
