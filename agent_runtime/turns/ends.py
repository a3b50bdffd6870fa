"""How turns end that their backend did not end."""

from agent_runtime.model import Code, Outcome, TurnEnd

DONE = TurnEnd(outcome=Outcome.COMPLETED)
INTERRUPTED = TurnEnd(outcome=Outcome.INTERRUPTED)
FAULTY = TurnEnd(
    outcome=Outcome.FAILED,
    code=Code.PROCESSING_ERROR,
    message="the backend's adapter failed; see the agent's log",
)
RESTARTED = TurnEnd(
    outcome=Outcome.FAILED,
    code=Code.AGENT_RESTARTED,
    message="the agent was restarted while this turn ran",
)
LOST = TurnEnd(
    outcome=Outcome.LOST,
    code=Code.AGENT_LOST,
    message="the agent's pod was taken away before this turn had ended",
)
