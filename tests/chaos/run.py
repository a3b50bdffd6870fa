"""One run of chaos, from an empty folder to its verdict."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import ledger
from tests.chaos.crowd import Crowd, Slot
from tests.chaos.hands import GatewayHand, Hand, ReceiverHand, RuntimeHand, let_loose
from tests.chaos.plan import CREDENTIAL, URL_TOKEN, WEBHOOK_SECRET, Plan
from tests.peers.gateway import House, house
from tests.peers.ledger import Arrival, read
from tests.peers.processes import clis, command_lines
from tests.peers.sink_process import SinkProcess
from tests.peers.warden import warden

_SETTINGS = {
    "WEBHOOK_TIMEOUT": "1500ms",
    "WEBHOOK_CIRCUIT_TIMEOUT": "1s",
}
"""A receiver that hangs for ten seconds, or is left alone for a minute, would make most of it
waiting."""
_LOOK_S = 0.25
_ENDS_S = 10.0
"""How long a process may take to end once its turn is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`broken`: every promise that was, in words."""

    broken: list[str]
    done: Counter[str]
    outcomes: Counter[str]
    tries: int
    arrivals: int
    events: int
    chaos_s: float
    calm_s: float


async def run(plan: Plan) -> Verdict:
    """Nothing of it is left afterwards, whatever happens. Raises TimeoutError over the limit."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forge-chaos-")))
        stack.enter_context(warden(folder))
        async with house(folder, **_SETTINGS) as place:
            chaos = _Chaos(plan, folder, place)
            try:
                async with asyncio.timeout(plan.limit_s):
                    return await chaos.run()
            finally:
                await chaos.sink.kill()


class _Chaos:
    def __init__(self, plan: Plan, folder: Path, place: House) -> None:
        self._plan = plan
        self._place = place
        self._ledger = folder / "ledger"
        self.sink = SinkProcess(
            [
                *("--ledger", str(self._ledger), "--seed", str(plan.seed)),
                *("--errors", str(plan.errors), "--hangs", str(plan.hangs)),
            ],
            folder,
        )
        self._slots = [Slot(), Slot()]

    async def run(self) -> Verdict:
        plan = self._plan
        await self.sink.start()
        for slot in self._slots:
            slot.gateway = await self._place.gateway()
        agents = await self._agents()
        crowd = Crowd(
            plan,
            self._slots,
            f"{self.sink.base}/hook?token={plan.secrets[URL_TOKEN]}",
            plan.secrets[WEBHOOK_SECRET],
        )
        began_s = time.monotonic()
        hands = self._hands()
        sending = asyncio.create_task(crowd.send_all(agents), name="crowd")
        try:
            done = await let_loose(hands, asyncio.sleep(plan.chaos_s))
            busy = command_lines(self._place.folder)
            calm_s = time.monotonic()
            told = await self._calm(hands, sending, crowd)
        finally:
            sending.cancel()
        arrivals = read(self._ledger)
        return Verdict(
            broken=[*told, *crowd.surprises, *self._broken(arrivals, crowd.accepted, busy)],
            done=done,
            outcomes=ledger.outcomes(arrivals),
            tries=crowd.tries,
            arrivals=len(arrivals),
            events=len({(arrival.agent_id, arrival.seq) for arrival in arrivals}),
            chaos_s=calm_s - began_s,
            calm_s=time.monotonic() - calm_s,
        )

    async def _agents(self) -> list[str]:
        first = self._slots[0].gateway
        assert first is not None
        env = {"CHAOS_API_KEY": self._plan.secrets[CREDENTIAL]}
        async with first.client() as client:
            making = (client.create(env=env) for _ in range(self._plan.agents))
            return await asyncio.gather(*making)

    def _hands(self) -> list[Hand]:
        hands: list[Hand] = [
            GatewayHand(
                self._plan.chance(f"gateway-{number}"), (2, 7), house=self._place, slot=slot
            )
            for number, slot in enumerate(self._slots)
        ]
        hands.append(RuntimeHand(self._plan.chance("runtime"), (0.5, 3), state=self._place.state))
        hands.append(ReceiverHand(self._plan.chance("receiver"), (2, 6), sink=self.sink))
        return hands

    async def _calm(
        self, hands: list[Hand], sending: "asyncio.Task[None]", crowd: Crowd
    ) -> list[str]:
        """Put everything together again and wait for every final; what did not come."""
        await self.sink.kill()
        self.sink.options = ("--ledger", str(self._ledger))
        await self.sink.start()
        for hand in hands:
            if isinstance(hand, GatewayHand) and hand.slot.gateway is None:
                await hand.replace()
        try:
            async with asyncio.timeout(self._plan.calm_s):
                await sending
                while ledger.finals(read(self._ledger)) < crowd.accepted.keys():
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return [f"not all had come {self._plan.calm_s:.0f} s after the chaos"]
        return await self._leftovers()

    async def _leftovers(self) -> list[str]:
        """What still runs of commands whose turns are over, those of killed runtimes too."""
        try:
            async with asyncio.timeout(_ENDS_S):
                while clis(self._place.state):
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return [f"{name} is left of a turn that ended" for name in clis(self._place.state)]
        return []

    def _broken(
        self, arrivals: list[Arrival], accepted: Mapping[str, str], busy: str
    ) -> Iterator[str]:
        """`busy`: the process list while commands ran."""
        yield from ledger.broken(arrivals, accepted)
        logs, files = self._place.logs(), self._agents_files()
        processes = busy + command_lines(self._place.folder)
        for what, secret in self._secrets().items():
            if secret in logs:
                yield f"{what} is in a log"
            if secret in processes:
                yield f"{what} is in a process list"
            if what != CREDENTIAL and secret.encode() in files:
                yield f"{what} is in an agent's folder"
        for path in self._place.state.glob("agents/*/workspace/started"):
            for request_id, times in Counter(path.read_text().split()).items():
                if times > 1:
                    yield f"{request_id}: ran {times} times"

    def _agents_files(self) -> bytes:
        paths = self._place.state.glob("agents/**/*")
        return b"".join(path.read_bytes() for path in paths if path.is_file())

    def _secrets(self) -> dict[str, str]:
        """The plan's and the gateway's own."""
        keys = (self._place.state / "gateway-keys").read_text().split()
        own = {f"gateway key {number}": key.partition(":")[2] for number, key in enumerate(keys)}
        return {**self._plan.secrets, **own}
