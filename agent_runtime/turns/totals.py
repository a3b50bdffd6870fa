"""What all turns of an agent have used together."""

import msgspec

from agent_runtime.journal.journal import Journal
from agent_runtime.model import Usage

FACT = "usage"


class Totals:
    """Kept as a fact, written with the final that adds to it. Event loop only."""

    def __init__(self, journal: Journal) -> None:
        told = journal.fact(FACT)
        self.usage = msgspec.json.decode(told, type=Usage) if told else None

    def add(self, usage: Usage) -> dict[str, str]:
        """The facts that the turn's final brings along."""
        before = self.usage or Usage(input_tokens=0, output_tokens=0)
        self.usage = before + usage
        return {FACT: msgspec.json.encode(self.usage).decode()}
