"""Who calls, and whose agents they may use."""

from dataclasses import dataclass
from typing import Protocol

from starlette.datastructures import Headers

from gateway.http.problems import Problem

CHALLENGE = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who showed a key, or anybody where none is wanted.

    Attributes:
        name: the key's, for logs; "" without keys.
        owners: whose agents; None: everybody's.
    """

    name: str = ""
    owners: frozenset[str] | None

    def owner(self, named: str, field: str = "user_id") -> str:
        """The owner a request is about; the key's only one where `named` is "".

        Raises:
            Problem: 400 when it has to be given, 403 when it is not the caller's.
        """
        if named:
            if self.owners is not None and named not in self.owners:
                raise Problem(403, f"{field}: this API key may not act for that owner")
            return named
        if self.owners is None or len(self.owners) != 1:
            raise Problem(400, f"{field} is missing; name the owner of the agent")
        return next(iter(self.owners))


ANYBODY = Caller(owners=None)


class Keys(Protocol):
    """What knows the API keys."""

    def find(self, key: str) -> Caller | None: ...


class Doorman:
    """Tells callers by their API key. `keys` None: nobody needs one."""

    def __init__(self, keys: Keys | None) -> None:
        self._keys = keys

    @property
    def wants_keys(self) -> bool:
        return self._keys is not None

    def admit(self, headers: Headers) -> Caller:
        """Raises Problem 401 for a missing or wrong key."""
        if self._keys is None:
            return ANYBODY
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Problem(401, "an API key is needed: `Authorization: Bearer KEY`", CHALLENGE)
        caller = self._keys.find(key.strip())
        if caller is None:
            raise Problem(401, "this API key is not known here", CHALLENGE)
        return caller

    def admit_to_all(self, headers: Headers) -> Caller:
        """Raises Problem 401, or 403 for a key that is not for all owners."""
        caller = self.admit(headers)
        if caller.owners is not None:
            raise Problem(403, "an API key for all owners (`*`) is needed here")
        return caller
