"""Who may call which service: bearer tokens, known only by their SHA-256."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import grpc

_OPEN = ("/grpc.health.v1.Health/", "/grpc.reflection.")
_AGENT = "/agent.v1.AgentService/"
_RELAY = "/relay.v1.RelayService/"

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls without the token of their service; compares in constant time."""

    def __init__(self, *, client_sha256: str, relay_sha256: str) -> None:
        self._digests = {_AGENT: client_sha256, _RELAY: relay_sha256}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        handler = await continuation(handler_call_details)
        refusal = self._refusal(handler_call_details)
        if handler is None or refusal is None:
            return handler
        return _refusing(handler, *refusal)

    def _refusal(self, call: grpc.HandlerCallDetails) -> tuple[grpc.StatusCode, str] | None:
        if call.method.startswith(_OPEN):
            return None
        shown = _bearer_sha256(call.invocation_metadata)
        if shown is None:
            return grpc.StatusCode.UNAUTHENTICATED, "`authorization: Bearer <token>` is needed"
        matches = [
            service
            for service, digest in self._digests.items()
            if hmac.compare_digest(shown, digest)
        ]
        if not matches:
            return grpc.StatusCode.UNAUTHENTICATED, "the token is wrong"
        if not call.method.startswith(matches[0]):
            return grpc.StatusCode.PERMISSION_DENIED, "the token is for another service"
        return None


def _bearer_sha256(metadata: Sequence[tuple[str, str | bytes]]) -> str | None:
    for name, value in metadata or ():
        if name == "authorization" and isinstance(value, str) and value.startswith("Bearer "):
            return hashlib.sha256(value.removeprefix("Bearer ").encode()).hexdigest()
    return None


def _refusing(handler: Handler, code: grpc.StatusCode, message: str) -> Handler:
    """A handler of the same shape that ends every call with `code`."""

    async def refuse(_: object, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
        await context.abort(code, message)

    if handler.request_streaming:
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(refuse)
        return grpc.stream_unary_rpc_method_handler(refuse)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(refuse)
    return grpc.unary_unary_rpc_method_handler(refuse)
