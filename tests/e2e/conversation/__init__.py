"""The whole conversation over the HTTP API, with the real OpenCode and a stub model."""
