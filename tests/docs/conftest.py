"""The gateway, client and receiver of the end-to-end tests."""

from tests.e2e.conftest import client, gateway, place, receiver

__all__ = ["client", "gateway", "place", "receiver"]
