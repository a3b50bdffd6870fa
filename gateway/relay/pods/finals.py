"""Posting the final of a turn that its agent cannot end any more."""

import logging
from dataclasses import replace

from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.attempt import Poster
from gateway.delivery.payload import Post, together, unfinished
from gateway.delivery.retry import Failures, is_spent, wait_s
from gateway.delivery.ticket import unseal
from gateway.errors import SealBroken
from gateway.keyring import Keyring
from gateway.launchers.notes import Claim, Note
from gateway.model import Outcome, Target
from gateway.relay.pods import sealed
from gateway.relay.pods.claims import Claims

log = logging.getLogger(__name__)

_LOST = ("AGENT_LOST", "AGENT_START_FAILED")


class Finals:
    """Posts like any other event of a turn: same pool, breaker, guard and retry policy."""

    def __init__(self, keyring: Keyring, poster: Poster, claims: Claims) -> None:
        self._keyring = keyring
        self._poster = poster
        self._claims = claims

    async def attempt(self, agent_id: str, note: Note) -> Note | None:
        """Post the final that a note's claim has decided, once.

        None: that is settled. Otherwise the note with what its claim has to hold for
        the next attempt.
        """
        claim = note.claim
        assert claim is not None  # of notes that were claimed to be ended
        try:
            ticket = sealed.ticket(self._keyring, agent_id, note)
            if not ticket:
                return None
            target = unseal(self._keyring, ticket, agent_id=agent_id, request_id=note.request_id)
        except SealBroken:
            answer = self._unsealed()
        else:
            answer = await self._post(target, _post(agent_id, note.request_id, claim, target))
        return self._after(agent_id, note, claim, answer)

    async def _post(self, target: Target, post: Post) -> Answer:
        try:
            destination = self._poster.destination(target)
        except ValueError:
            return Answer(Verdict.GONE, error="nothing can be posted to its URL")
        return await self._poster.attempt(destination, post)

    def _after(self, agent_id: str, note: Note, claim: Claim, answer: Answer) -> Note | None:
        fields = {"agent": agent_id, "request_id": note.request_id, "code": claim.code}
        if answer.verdict not in (Verdict.RETRY, Verdict.HELD):
            log.warning("turn_ended_without_agent", extra={**fields, "status": answer.status})
            return None
        now_ms = self._claims.clock_ms()
        failures = _failures(claim, answer, now_ms)
        if failures.count and is_spent(self._poster.policy, failures):
            log.warning("final_abandoned", extra={**fields, "error": answer.error})
            return None
        delay_s = self._delay_s(failures, answer)
        log.warning("final_delayed", extra={**fields, "error": answer.error, "delay_s": delay_s})
        later = replace(
            claim,
            attempts=failures.count,
            first_failure_ms=round(failures.since_s * 1000),
            not_before_ms=now_ms + round(delay_s * 1000),
        )
        return replace(note, claim=later)

    def _unsealed(self) -> Answer:
        """The key may be on its way to this gateway."""
        wait_s = self._poster.policy.sealed_wait_s
        error = "no gateway key opens the ticket"
        return Answer(Verdict.RETRY, error=error, retry_after_s=wait_s)

    def _delay_s(self, failures: Failures, answer: Answer) -> float:
        if answer.verdict is Verdict.HELD:
            return answer.retry_after_s
        return wait_s(self._poster.policy, failures.count, answer)


def _failures(claim: Claim, answer: Answer, now_ms: int) -> Failures:
    failed = answer.verdict is Verdict.RETRY
    since_ms = claim.first_failure_ms or (now_ms if failed else 0)
    return Failures(claim.attempts + failed, since_ms / 1000)


def _post(agent_id: str, request_id: str, claim: Claim, target: Target) -> Post:
    outcome: Outcome = "lost" if claim.code in _LOST else "failed"
    post = unfinished(
        agent_id,
        request_id,
        code=claim.code,
        message=claim.message,
        at_ms=claim.at_ms,
        outcome=outcome,
    )
    return post if target.batch is None else together([post])
