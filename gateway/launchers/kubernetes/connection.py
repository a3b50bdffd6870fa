"""HTTP to the API server: logged in, bounded, with a deadline on everything.

With `login` the only module that knows the client library. Of that is used what knows
clusters: TLS, proxies, tokens that are renewed. Paths and bodies are our own: its typed
objects cost up to five times the CPU and drop fields they do not know.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from gateway.errors import StartFailed, Unavailable
from gateway.launchers.kubernetes import login
from gateway.launchers.kubernetes.errors import Status, translate

MAX_CALLS = 32
"""At the same time; more wait. Watches do not count."""
CALL_S = 10.0
"""Deadline of a call, its wait for others included."""
SILENCE_S = 90.0
"""A watch that tells nothing for so long is broken: bookmarks come every minute."""
_RENEW_AFTER_S = 10.0
_JSON = "application/json"

Query = Sequence[tuple[str, str]]
Body = Mapping[str, Any]


class Connection:
    """Any number of calls at once, from one event loop. No exception of a library passes."""

    def __init__(self, kube_config: Path | None) -> None:
        """`kube_config` None: as the service account of this pod."""
        self._kube_config = kube_config
        self._client: ApiClient | None = None
        self._calls = asyncio.Semaphore(MAX_CALLS)
        self._renewed_at_s = 0.0

    async def open(self) -> None:
        """Log in, which calls nobody yet.

        Raises:
            StartFailed: there is no way to; says why.
        """
        configuration = Configuration()
        # The library would follow proxies of the environment; a kubeconfig may name one.
        configuration.client_session_kwargs = {"trust_env": False}
        await login.configure(configuration, self._kube_config)
        try:
            self._client = ApiClient(configuration)
        except OSError as error:  # also ssl.SSLError
            raise StartFailed(f"the cluster's certificates cannot be used: {error}") from error

    async def close(self) -> None:
        """Idempotent. Calls in flight end."""
        if self._client is not None:
            await self._client.close()  # type: ignore[no-untyped-call]  # the library's

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Body | None = None,
        media: str = _JSON,
        deadline_s: float = CALL_S,
    ) -> bytes:
        """What the answer holds.

        Raises:
            Unavailable: there is none within the deadline; whether it was done is not known.
            GatewayError: what `errors.translate` makes of an answer other than 2xx.
        """
        with _failures(deadline_s):
            async with asyncio.timeout(deadline_s), self._calls:
                response = await self._send(method, path, query, body, media)
                async with response:
                    content = await response.read()
        if not response.ok:
            raise translate(response.status, Status.read(content))
        return content

    @asynccontextmanager
    async def stream(self, path: str, *, query: Query) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of an answer that goes on; it has begun on entry. Raises as `call`."""
        with _failures(CALL_S):
            async with asyncio.timeout(CALL_S):
                response = await self._send("GET", path, query, None, _JSON)
        try:
            if not response.ok:
                with _failures(CALL_S):
                    async with asyncio.timeout(CALL_S):
                        content = await response.read()
                raise translate(response.status, Status.read(content))
            yield _lines(response)
        finally:
            _hang_up(response)

    async def _send(
        self, method: str, path: str, query: Query, body: Body | None, media: str
    ) -> aiohttp.ClientResponse:
        """The head of the answer; once more with a new token where the old one is refused."""
        response = await self._send_once(method, path, query, body, media)
        if response.status == 401 and await self._renew():
            response.close()
            response = await self._send_once(method, path, query, body, media)
        return response

    async def _send_once(
        self, method: str, path: str, query: Query, body: Body | None, media: str
    ) -> aiohttp.ClientResponse:
        client = self._client
        assert client is not None, "valid after open"
        _, url, headers, sent, _ = await client.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params={"Accept": _JSON, "Content-Type": media},
            body=body,
            auth_settings=["BearerToken"],
        )
        forever = aiohttp.ClientTimeout(total=None)  # callers bound it; the library's is 300 s
        answer = await client.call_api(method, url, headers, sent, _request_timeout=forever)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _renew(self) -> bool:
        """Log in again; a service account's token the library renews by itself."""
        now_s = asyncio.get_running_loop().time()
        if not self._client or not self._kube_config or now_s - self._renewed_at_s < _RENEW_AFTER_S:
            return False
        self._renewed_at_s = now_s
        await login.configure(self._client.configuration, self._kube_config)
        return True


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """At once: nobody waits until TLS has said goodbye, and a loop that ends before that fails."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    while True:
        with _failures(SILENCE_S):
            async with asyncio.timeout(SILENCE_S):
                line = await response.content.readline()
        if not line:
            return
        yield line


@contextmanager
def _failures(deadline_s: float) -> Iterator[None]:
    """What a library raises becomes Unavailable. ValueError: a line of over 4 MiB."""
    try:
        yield
    except TimeoutError as error:
        raise Unavailable(f"the Kubernetes API server was silent for {deadline_s:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        why = str(error) or type(error).__name__
        raise Unavailable(f"the Kubernetes API server cannot be reached: {why}") from error
