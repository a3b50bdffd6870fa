"""Scripted peers: real servers on real ports that behave as a test tells them to."""
