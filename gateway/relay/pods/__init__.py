"""Pods: what the relay does for agents that may vanish with their journals.

In here: messages that wait on a pod which has never been ready (`waiting`, `reading`),
how they come into its journal (`drain`), the notes of turns that take longer than a
moment (`open_notes`), who may act on a note (`claims`), the finals of turns that are lost
(`lost`, `finals`, `orphans`), notes that tell another story than the journal
(`reconcile`), what a pod asks for (`care`) and who sees to it (`keeper`); for which
turns this gateway answers (`ledger`). Out of here: how notes are stored, and what is
known of a pod (`gateway.launchers`); what agents with a lasting journal need.

Nothing here decides by what it remembers. Whatever is to be done follows from a pod
and its notes as they are, is done under a claim that is written on the pod first, and can
be left at any point to another gateway, which finds the same to be done.

Imports: what `gateway.relay` may, and the rest of that room but for `accept`,
`readback` and `nudge`, which ask in here.
"""
