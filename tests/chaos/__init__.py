"""Chaos: what is promised must hold while everything is killed and stopped at random.

    plan      how much of it, by which seed
    crowd     sends the turns, repeats until each is accepted
    hands     kill and stop gateways, runtimes and the receiver
    ledger    what the receiver took, read back and judged
    run       one run from an empty folder to its verdict

`make chaos` is the long run (python -m tests.chaos), test_chaos.py a short one.
All processes are real; they are ended by their own pids, and a warden ends them
should the run itself be killed.
"""
