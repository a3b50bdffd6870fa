"""A webhook receiver in Python: verifies, shows what is new, answers. Takes batches, too.

    pip install standardwebhooks
    WEBHOOK_SECRET=whsec_... PORT=8090 python receiver.py

Everything but the verification is the standard library. A real one keeps the
ids of the events it has handled in its database, in the same transaction as what
it does about them; here they are kept in memory, the newest of them.
"""

import json
import os
import threading
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_IDS = 10_000
TIMEOUT_S = 60.0


class Seen:
    """The newest ids. Requests are served by a thread each, so it has a lock."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, event_id: str) -> bool:
        with self._lock:
            if event_id in self._ids:
                return False
            self._ids[event_id] = None
            if len(self._ids) > MAX_IDS:
                self._ids.popitem(last=False)
            return True


class Handler(BaseHTTPRequestHandler):
    """Every request of one connection, one after the other."""

    protocol_version = "HTTP/1.1"  # the gateway keeps connections open
    timeout = TIMEOUT_S
    verifier: Webhook
    seen: Seen

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.answer(413)
            return
        body = self.rfile.read(int(length))
        try:
            payload = self.verifier.verify(body, dict(self.headers.items()))
        except (WebhookVerificationError, ValueError):  # ValueError: headers it cannot read
            self.answer(401)
            return
        for event in payload.get("events", [payload]):  # a batch, or one event
            if self.seen.is_new(id_of(event)):
                show(event)
        self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("content-length", "0")
        if status == 413:  # its body is still on the way
            self.send_header("connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what matters is shown once it is verified."""


def id_of(event: dict[str, Any]) -> str:
    """The webhook id of an event that comes alone; in a batch it is not told."""
    what = f"{event['request_id']}_final" if event.get("is_final") else event["seq"]
    return f"{event['agent_id']}_{what}"


def show(event: dict[str, Any]) -> None:
    """One line an event."""
    what = event.get("outcome") if event.get("is_final") else event.get("kind")
    said = event["error"]["message"] if "error" in event else event.get("data", {}).get("text", "")
    line = f"{event['request_id']} {event['seq']} {what} {json.dumps(said, ensure_ascii=False)}"
    print(line, flush=True)  # noqa: T201 - what it is for


def main() -> None:
    Handler.verifier = Webhook(os.environ["WEBHOOK_SECRET"])
    Handler.seen = Seen()
    address = ("127.0.0.1", int(os.environ.get("PORT", "8090")))
    with ThreadingHTTPServer(address, Handler) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)  # noqa: T201 - ditto
        server.serve_forever()


if __name__ == "__main__":
    main()
