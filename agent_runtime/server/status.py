"""What the agent says of itself."""

import time

from agent_runtime.journal.journal import Journal
from agent_runtime.server import terms
from agent_runtime.settings import Settings
from agent_runtime.turns.policy import NO_POLICY
from agent_runtime.turns.runner import Runner
from agent_runtime.turns.sink import told_usage
from proto.agent.v1 import agent_pb2


class Status:
    """Reads journal and runner; never waits for the backend."""

    def __init__(self, *, settings: Settings, journal: Journal, runner: Runner) -> None:
        self._settings = settings
        self._journal = journal
        self._runner = runner
        self._started = time.monotonic()

    def read(self, *, prompts: bool = False) -> agent_pb2.GetStatusResponse:
        """`prompts`: those that are open, too."""
        policy = terms.policy(self._settings, self._journal)
        return agent_pb2.GetStatusResponse(
            agent_id=self._settings.agent_id,
            session_id=self._runner.session_id,
            state=self._state(),
            latest_seq=self._journal.latest_seq(),
            current_model=terms.model(self._settings, self._journal),
            permission_mode=terms.permission_mode(self._settings, self._journal),
            uptime_ms=int((time.monotonic() - self._started) * 1000),
            backend=self._runner.backend_name,
            capabilities=self._runner.capabilities,
            prompts=self._prompts() if prompts else (),
            usage=told_usage(usage) if (usage := self._runner.usage) else None,
            policy=policy.told if policy != NO_POLICY else None,
        )

    def _prompts(self) -> list[agent_pb2.OpenPrompt]:
        return [
            agent_pb2.OpenPrompt(
                prompt_id=prompt.prompt_id,
                request_id=request_id,
                kind=prompt.kind.word,
                data_json=prompt.data,
                asked_ms=prompt.asked_ms,
                expires_ms=prompt.expires_ms,
            )
            for prompt, request_id in self._journal.prompts.opened()
        ]

    def _state(self) -> agent_pb2.AgentState.ValueType:
        if self._runner.processing:
            return agent_pb2.AGENT_STATE_PROCESSING
        return agent_pb2.AGENT_STATE_ERROR if self._runner.failure else agent_pb2.AGENT_STATE_IDLE
