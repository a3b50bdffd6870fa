"""The workspace: what is in it now, kept as trees of a private git repository, and diffs of them.

In here: running git where nothing of the workspace, of the user or of the system can
configure it; taking what changed into the repository; reading what changed between two
trees. Out of here: which turn a tree belongs to (the journal), when one is taken (turns).
A repository that the user has in the workspace is content like any other: its `.git`
is neither read nor written.
"""
