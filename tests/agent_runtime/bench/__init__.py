"""What an event costs inside the runtime: `python -m tests.agent_runtime.bench`.

A real runtime process with an emitting backend, and a relay that acknowledges as a
gateway does. Numbers only; nothing here asserts a speed.
"""
