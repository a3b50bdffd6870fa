"""What the docs tell people to run, run: the receivers, and the sessions of the pages."""
