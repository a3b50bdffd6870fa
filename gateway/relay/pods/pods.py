"""Everything of this room, made, started and ended together."""

from gateway.delivery.attempt import Poster
from gateway.keyring import Keyring
from gateway.launchers.notes import Notes
from gateway.launchers.protocol import Launcher
from gateway.relay.attach import Attachments
from gateway.relay.links import Links
from gateway.relay.pods.care import Care
from gateway.relay.pods.claims import Claims
from gateway.relay.pods.drain import Drain
from gateway.relay.pods.finals import Finals
from gateway.relay.pods.journals import Journals
from gateway.relay.pods.keeper import Keeper
from gateway.relay.pods.ledger import Ledger
from gateway.relay.pods.lost import Lost
from gateway.relay.pods.orphans import Orphans
from gateway.relay.pods.reading import Reading
from gateway.relay.pods.reconcile import Reconcile
from gateway.relay.pods.renewal import Renewal
from gateway.relay.pods.waiting import Waiting
from gateway.relay.timing import STANDARD, Timing


class Pods:
    """The part of a gateway whose agents may vanish with their journals."""

    def __init__(
        self,
        notes: Notes,
        ledger: Ledger,
        attachments: Attachments,
        *,
        launcher: Launcher,
        links: Links,
        keyring: Keyring,
        poster: Poster,
        claims: Claims,
        timing: Timing = STANDARD,
    ) -> None:
        """`ledger` is the one that `attachments` has."""
        finals = Finals(keyring, poster, claims)
        journals = Journals(launcher, links, keyring, timing=timing)
        drain = Drain(notes, journals, keyring, claims, submitted=attachments.ensure)
        self._ledger = ledger
        self._orphans = Orphans(finals, claims)
        care = Care(
            notes,
            attachments,
            ledger,
            drain=drain,
            lost=Lost(notes, attachments, ledger, finals, self._orphans, claims),
            reconcile=Reconcile(notes, journals, ledger, claims),
            journals=journals,
            timing=timing,
        )
        self._keeper = Keeper(notes, attachments, ledger, care, claims, timing=timing)
        self.waiting = Waiting(notes, keyring, self._keeper, drain)
        self.reading = Reading(notes, self._keeper)
        self.renewal = Renewal(notes)

    def start(self) -> None:
        """From now on everything that pods ask for is done; after the launcher's start."""
        self._keeper.start()

    async def close(self) -> None:
        """Leave it to other gateways; after the relays, which still have notes to remove."""
        await self._keeper.close()
        await self._orphans.close()
        await self._ledger.close()
