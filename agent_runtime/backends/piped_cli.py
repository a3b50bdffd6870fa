"""A CLI on pipes, and how one is started."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from agent_runtime.backends.protocol import BackendContext
from agent_runtime.backends.start_failure import NotStarted
from agent_runtime.backends.stdio import AnswerTo, JsonLines
from agent_runtime.errors import BackendCrashed, Refused


class PipedCli:
    """One process that has been greeted. What a kind of CLI adds are its calls."""

    def __init__(self, lines: JsonLines) -> None:
        self.lines = lines

    @property
    def running(self) -> bool:
        return self.lines.running

    async def epitaph(self) -> str:
        """How it ended, or that it lives, and the end of what it wrote to standard error."""
        return await self.lines.epitaph()

    async def end(self) -> None:
        """End all its processes. Idempotent."""
        await self.lines.end()


@asynccontextmanager
async def starting(
    called: str,
    argv: Sequence[str],
    env: Mapping[str, str],
    context: BackendContext,
    answer_to: AnswerTo,
) -> AsyncIterator[JsonLines]:
    """A process in the workspace, for as long as it is greeted: what fails then ends it.

    Raises:
        NotStarted: it did not stand its greeting.
        BackendUnusable: nothing can be started here.
    """
    process = await context.processes.spawn(argv, cwd=context.workspace, env=env)
    lines = JsonLines(called, process, context.processes, answer_to)
    try:
        yield lines
    except (Refused, BackendCrashed) as error:
        epitaph = await lines.epitaph()
        await lines.end()
        raise NotStarted(f"{called} did not start: {error}; {epitaph}") from error
    except BaseException:
        await lines.end()
        raise
