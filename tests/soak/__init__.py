"""Soak: nothing grows while events flow for a long time and a tenth of the webhooks fail.

    samples   what gateway and runtimes use, taken now and then, and its trend
    run       the load, from an empty folder to its verdict

`make soak` runs ten minutes (MINUTES=); the gate runs some seconds of it, for shape.
Memory, files and threads are read from /proc: Linux only. Tasks are counted by who
has them: the gateway tells its own on /metrics, in a runtime the emitter writes them
down when a turn begins.
"""
