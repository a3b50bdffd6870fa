"""How much chaos, by which seed."""

import base64
import random
from dataclasses import dataclass

WEBHOOK_SECRET = "the webhook's secret"
CREDENTIAL = "the agents' credential"
URL_TOKEN = "the token in the webhook's URL"

_BESIDE_S = 25.0
"""To set up, and to look at what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Attributes:
    seed: everything that is drawn is drawn from it; what the system then does is not.
    chaos_s: how long turns are sent and processes killed.
    calm_s: how long all may take to arrive afterwards.
    errors, hangs: the share of webhooks that the receiver does not take.
    """

    seed: int
    turns: int
    agents: int
    chaos_s: float
    calm_s: float
    errors: float = 0.1
    hangs: float = 0.01

    def chance(self, of: str) -> random.Random:
        """An independent source for each who draws."""
        return random.Random(f"{self.seed}-{of}")

    @property
    def limit_s(self) -> float:
        """For all of it; what is over has hung."""
        return self.chaos_s + self.calm_s + _BESIDE_S

    @property
    def secrets(self) -> dict[str, str]:
        """What no log and no command line may show, by what it is."""
        drawn = self.chance("secrets")
        webhook, credential, token = (drawn.randbytes(24) for _ in range(3))
        return {
            WEBHOOK_SECRET: f"whsec_{base64.b64encode(webhook).decode()}",
            CREDENTIAL: f"sk-{credential.hex()}",
            URL_TOKEN: f"tok-{token.hex()}",
        }


FULL = Plan(seed=0, turns=200, agents=10, chaos_s=90, calm_s=60)
SHORT = Plan(seed=0, turns=40, agents=4, chaos_s=20, calm_s=60)
