"""The journal: one SQLite file that holds turns, events, marks and facts.

In here: the folder's lock, the schema and its migrations, the one writer with
its group commit, the statements, the cursor that all readers share. Out of
here: what a command means, what a turn does, gRPC. No sqlite3 exception leaves.

Every commit is fsynced. What is committed is visible to cursors, nothing else
is; there is no second, live path.
"""
