"""What `make check` looks at beside lint, types and imports.

In here: generated files are what their sources make, the settings page is what
the settings objects say, the list of faults is what the tests show, and every
command that the docs show exists. Run with `python -m tests.checks`; `--write`
makes the settings page and the list of faults anew.
"""
