"""Why an attempt got no answer, in words, and whether its host is to blame."""

import errno

import aiohttp

from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.guard import AddressRefused

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENETUNREACH})


def told(failure: Exception) -> Answer:
    """Never with the exception's own text, which may hold the URL, but for the guard's.

    A name that cannot be resolved, a refused address, a proxy and our own want of
    sockets or of a network say nothing about the host.
    """
    match failure:
        case aiohttp.ClientConnectorError(os_error=AddressRefused() as refused):
            return _nobodys(str(refused))
        case aiohttp.ClientConnectorDNSError():
            return _nobodys("the host's name could not be resolved")
        case aiohttp.ClientProxyConnectionError():
            return _nobodys("the proxy cannot be reached")
        case aiohttp.ClientHttpProxyError():
            return _nobodys(f"the proxy answered {failure.status}")
        case aiohttp.InvalidURL():
            return _nobodys("the URL cannot be used")
        case aiohttp.ClientSSLError():
            return _its("the TLS handshake failed")
        case aiohttp.ClientConnectorError() if failure.errno in _OURS:
            return _nobodys(f"could not connect: {failure.strerror}")
        case aiohttp.ClientConnectorError():
            return _its(f"could not connect: {failure.strerror or 'unknown'}")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionError():
            return _its("the connection was closed before an answer")
        case _:
            return _its(f"the answer could not be read ({type(failure).__name__})")


def ours(failure: Exception) -> Answer:
    """Of anything that should not happen; it says no more, for the same reason."""
    return _nobodys(f"the gateway could not post it ({type(failure).__name__})")


def _its(error: str) -> Answer:
    return Answer(Verdict.RETRY, error=error, blames_host=True)


def _nobodys(error: str) -> Answer:
    return Answer(Verdict.RETRY, error=error)
