"""How much of everything a run does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything.

    Attributes:
        floor_s: how long each floor runs.
        agents: of the case with as many turns at once.
    """

    floor_s: float
    agents: int
    eight: int
    many: int
    one: int
    paced: int
    short: int
    accepted: int
    idle: int
    idle_s: float
    dead: int


FULL = Scale(
    floor_s=3,
    agents=64,
    eight=2000,
    many=300,
    one=5000,
    paced=500,
    short=1000,
    accepted=1000,
    idle=1000,
    idle_s=5,
    dead=100,
)
QUICK = Scale(
    floor_s=1,
    agents=16,
    eight=500,
    many=60,
    one=1000,
    paced=100,
    short=200,
    accepted=200,
    idle=100,
    idle_s=2,
    dead=100,
)
