"""Recorded traffic of the real CLIs, trimmed: a line a message, `in` what they were told.

A story is what the normaliser makes of a transcript, a line an event: `*.story`. When it is
to change, `python -m tests.agent_runtime.backends.transcripts.replay NAME` prints the new one.
"""
