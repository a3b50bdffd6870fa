"""The bench: how fast, beside what the libraries underneath do in the same run.

    emitter/      a distribution of its own: the backend that emits on demand
    environment   a virtual environment with the project and the emitter in it
    driver        sends messages: the Go program beside the repository, or our own
    floors, bare  the same work with nothing of ours in it, and its measurement
    stage         gateway, agents and receiver that all cases share
    scale         how much of everything
    cases         what is measured
    idle          a thousand agents that hold a relay and say nothing, in one process
    table         figures on paper

`make bench` runs `python -m tests.bench`; ARGS=quick does less of everything. It
fails when an event is lost, comes twice or out of order, never for being slow.
Linux only: memory and CPU are read from /proc.
"""
