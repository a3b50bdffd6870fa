"""A destination: a ticket's target, made ready once for all the events of a turn."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Self

from yarl import URL

from gateway.delivery.guard import AddressRefused, Guard
from gateway.delivery.payload import Post
from gateway.delivery.signature import Signer
from gateway.model import Batch, Target
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Bypass:
    """A token that protected deployments ask for; sent to these hosts only."""

    token: str = field(default="", repr=False)
    hosts: Collection[str] = ()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        hosts = (host.strip().lower() for host in settings.bypass_hosts.split(","))
        return cls(settings.bypass_token, frozenset(filter(None, hosts)))

    def headers(self, host: str | None) -> Mapping[str, str]:
        if not self.token or host is None or host not in self.hosts:
            return {}
        return {"x-vercel-protection-bypass": self.token}


NO_BYPASS = Bypass()


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a turn's posts go.

    Attributes:
        origin: scheme, host and port, which fail together.
        refused: why nothing is posted there, "" when it may be.
    """

    url: URL = field(repr=False)
    origin: str
    signer: Signer
    extra: Mapping[str, str] = field(repr=False)
    batch: Batch | None = None
    refused: str = ""

    @classmethod
    def of(cls, target: Target, *, guard: Guard, bypass: Bypass) -> Self:
        """Raises ValueError for a target that `check_target` would have refused."""
        url = URL(target.webhook_url)
        refused = ""
        try:
            guard.check_literal(url)
        except AddressRefused as refusal:
            refused = str(refusal)
        return cls(
            url,
            str(url.origin()),
            Signer.of(target.webhook_secret),
            bypass.headers(url.host),
            target.batch,
            refused,
        )

    def headers(self, post: Post) -> dict[str, str]:
        headers = self.signer.headers(post.webhook_id, post.body, at_s=int(time.time()))
        return {**headers, **self.extra} if self.extra else headers
