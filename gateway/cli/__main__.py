"""`python -m gateway.cli`: the same as `forge`."""

from gateway.cli import main

main(prog_name="forge")
