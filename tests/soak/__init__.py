"""Soak: nothing grows while events flow for a long time and a tenth of the webhooks fail.

    samples   what gateway and runtimes use, taken now and then, and its trend
    run       the load, from an empty folder to its verdict

`make soak` runs ten minutes (MINUTES=). Seen from outside only, so tasks are
told by what they hold: files, threads, memory. Linux only.
"""
