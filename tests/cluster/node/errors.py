"""What can go wrong with a node.

NodeFault
 +- Unsuitable   this machine cannot have a node; the message says what is missing
 +- Failed       a command failed or something was not ready in time
"""


class NodeFault(Exception):
    """The message is for whoever ran the command."""


class Unsuitable(NodeFault):
    """Not Linux, not root, or something that only the user can install."""


class Failed(NodeFault):
    """The message has the end of what the command said, or where its log is."""
