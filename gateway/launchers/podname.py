"""The name of an agent's pod or process, the same whichever launcher made it."""

import hashlib
import re

MAX_LENGTH = 63
"""Of a DNS-1035 label."""

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_NO_LABEL = re.compile(r"[^a-z0-9]+")
_HASH_LENGTH = 8


def pod_name(user_id: str, agent_id: str) -> str:
    """`{user}-{agent}` where that is a DNS-1035 label, else the nearest one with a hash."""
    plain = f"{user_id}-{agent_id}"
    if len(plain) <= MAX_LENGTH and _LABEL.fullmatch(plain):
        return plain
    digest = hashlib.sha256(f"{user_id}\0{agent_id}".encode()).hexdigest()[:_HASH_LENGTH]
    readable = _NO_LABEL.sub("-", plain.lower()).strip("-")
    if not readable[:1].isalpha():
        readable = f"a-{readable}"
    return f"{readable[: MAX_LENGTH - _HASH_LENGTH - 1].rstrip('-')}-{digest}"
