"""Gateway keys: they seal tickets and derive the tokens of agents.

In here: one key, the file that lists them, the ring that the other rooms use, and
the task that looks whether the file has changed. Out of here: what is sealed
(`gateway.delivery`), who is given a token, and when keys are added or taken out
(`gateway.rotation`).

The first key of the ring is the current one: it seals, and new agents derive
from it. The others still open and derive, so that agents made under them go on.
No token is stored anywhere: it is the HMAC of its key over agent id and scope,
and an agent is given only its SHA-256.

Imports: gateway.errors only.
"""

from gateway.keyring.file import FILE_NAME
from gateway.keyring.key import GatewayKey, Scope
from gateway.keyring.ring import Keyring
from gateway.keyring.watch import KeyWatch

__all__ = ["FILE_NAME", "GatewayKey", "KeyWatch", "Keyring", "Scope"]
