"""How a turn ended, in one line."""

from dataclasses import dataclass

from gateway.cli.printable import one_line
from gateway.cli.webhook import Webhook

_MESSAGE_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Ending:
    """`style` is rich's."""

    text: str
    style: str


def ending(event: Webhook, *, took_s: float) -> Ending:
    """Of a final: outcome, time, what it cost, and why it failed."""
    outcome = one_line(event.outcome, limit=20) or "ended"
    parts = [f"{outcome.replace('_', ' ')} in {took_s:.1f} s", *_cost(event)]
    if event.error is not None:
        parts.append(f"{event.error.code}: {event.error.message}")
    text = one_line(" · ".join(parts), limit=_MESSAGE_LIMIT)
    mark, style = _MARKS.get(outcome, ("✗", "bold red"))
    return Ending(f"{mark} {text}", style)


_MARKS = {"completed": ("✓", "bold green"), "interrupted": ("■", "bold yellow")}


def _cost(event: Webhook) -> list[str]:
    tokens = [event.usage.get(name) for name in ("input_tokens", "output_tokens")]
    parts = []
    if all(isinstance(count, int) for count in tokens):
        parts.append(f"{tokens[0]:,} tokens in, {tokens[1]:,} out")
    cost = event.usage.get("cost_usd")
    if isinstance(cost, int | float) and cost > 0:
        parts.append(f"${cost:.4f}")
    return parts
