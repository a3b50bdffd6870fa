"""Backends: the contract that all of them keep, and what is special about each."""
