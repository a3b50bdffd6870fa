"""Launchers make, find and remove agents.

In here: the protocol, with the notes that some launchers keep; what all launchers
need (names, words, health); and one package a launcher (`local`: child processes;
`kubernetes`: pods). Launchers do not know each other,
HTTP, webhooks or the relay; they hand out gRPC targets and never call an agent's
services themselves beyond finding out that it answers.
"""
