"""Launchers make, find and remove agents.

In here: the protocol, with the notes that some launchers keep, and one package or
file a launcher (`local`: child processes). Launchers do not know each other,
HTTP, webhooks or the relay; they hand out gRPC targets and never call an agent's
services themselves beyond finding out that it answers.
"""
