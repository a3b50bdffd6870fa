"""The `forge` command, run as a command: real processes, terminals, ports and files."""
