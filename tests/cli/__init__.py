"""The real CLIs that tests drive, pinned in package.json, installed by npm beside it.

Only the packages that hold a binary are named there: they need no install
script, which newer versions of npm do not run.
"""
