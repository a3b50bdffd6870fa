"""How the events of a turn are delivered: what a command may ask for, and where they go."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.delivery.ticket import check_target
from gateway.errors import BadRequest
from gateway.http.forms import KindGlob
from gateway.model import Batch, Delivery, Target


class BatchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One POST carries `{"events": [payload, ...]}`, under the id of its last event."""

    max_events: Annotated[int, Meta(ge=1, le=64, description="At most so many in one POST")]
    max_wait_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="How long the first waits for others")
    ]


class DeliveryOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Off unless asked for: every event is posted, as it is, by itself."""

    kinds: (
        Annotated[
            list[KindGlob],
            Meta(max_length=32, description="Only events of these kinds are posted, and finals"),
        ]
        | UnsetType
    ) = UNSET
    coalesce_ms: (
        Annotated[
            int,
            Meta(ge=0, le=10_000, description="Text deltas within it become one event; 0: never"),
        ]
        | UnsetType
    ) = UNSET
    batch: BatchOptions | UnsetType = UNSET


def clear_options(options: DeliveryOptions | UnsetType) -> Delivery | None:
    """What the agent applies, None where it has nothing to do."""
    if options is UNSET:
        return None
    kinds = () if options.kinds is UNSET else tuple(str(kind) for kind in options.kinds)
    coalesce_ms = 0 if options.coalesce_ms is UNSET else options.coalesce_ms
    return Delivery(kinds=kinds, coalesce_ms=coalesce_ms) if kinds or coalesce_ms else None


def target_of(url: str, secret: str, options: DeliveryOptions | UnsetType = UNSET) -> Target | None:
    """Where the events go and in what batches; None without a URL.

    Raises:
        BadRequest: the URL or the secret can never work, or something needs a URL.
    """
    batch = None if options is UNSET or options.batch is UNSET else options.batch
    if not url:
        if batch is not None:
            raise BadRequest("delivery.batch: webhook_url is missing; nothing is posted without it")
        if secret:
            raise BadRequest("webhook_secret: webhook_url is missing; nothing is signed without it")
        return None
    target = check_target(url, secret)
    if batch is None:
        return target
    asked = Batch(max_events=batch.max_events, max_wait_ms=batch.max_wait_ms)
    return Target(webhook_url=target.webhook_url, webhook_secret=target.webhook_secret, batch=asked)
