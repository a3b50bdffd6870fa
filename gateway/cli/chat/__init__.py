"""`forge chat`: a conversation with one agent.

In: `conversation` (who does what, and when it ends), which has a face (`face`): a
`terminal` with a line to type in, or a `pipe`. What comes from the agent is shown by
`view`, which folds `tools`, knows the `turns` that are open, and hands what the agent
asks to `asking`. What is typed is a message (`outgoing`), an answer (`asked`) or one of
the `commands`. `inputs` remembers what was typed.
Out: how a gateway is called and followed (`api`, `follower`), how text is shown
(`transcript`, `ending`, `printable`): the room above has these.

Imports: gateway.cli's files; nothing there but `forge` knows this room.
"""

from gateway.cli.chat.command import chat

__all__ = ["chat"]
