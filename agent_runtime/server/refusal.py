"""How a call that is refused ends: the status of each fault."""

from typing import Any, NoReturn, TypeAlias

import grpc

from agent_runtime.errors import (
    Answered,
    Closing,
    Exhausted,
    GitFailed,
    Invalid,
    JournalBroken,
    JournalClosed,
    RuntimeFault,
    TooLate,
    Trimmed,
    UnknownPrompt,
    UnknownTurn,
    Unsupported,
)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_STATUS: dict[type[RuntimeFault], grpc.StatusCode] = {
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    GitFailed: grpc.StatusCode.ABORTED,
    Closing: grpc.StatusCode.FAILED_PRECONDITION,
    Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UnknownTurn: grpc.StatusCode.NOT_FOUND,
    UnknownPrompt: grpc.StatusCode.NOT_FOUND,
    Answered: grpc.StatusCode.ALREADY_EXISTS,
    TooLate: grpc.StatusCode.OUT_OF_RANGE,
    Trimmed: grpc.StatusCode.OUT_OF_RANGE,
    JournalBroken: grpc.StatusCode.UNAVAILABLE,
    JournalClosed: grpc.StatusCode.UNAVAILABLE,
}


async def abort(context: Context, fault: RuntimeFault) -> NoReturn:
    """End the call with the status that relay.proto gives for this fault."""
    code = next(
        (code for kind, code in _STATUS.items() if isinstance(fault, kind)),
        grpc.StatusCode.INTERNAL,
    )
    lacks = (("forge-capability", fault.capability),) if isinstance(fault, Unsupported) else ()
    await context.abort(code, str(fault), lacks)
