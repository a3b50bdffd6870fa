"""The gateway: takes messages over HTTP, relays events to webhooks, keeps no state.

Rooms, from the door inwards; imports point downwards only:

    cli          the `forge` command; talks to a gateway by HTTP only
    app          composition: what is built, started and stopped, in which order
    rotation     gateway keys are added, used and taken out    (beside app)
    http         one file a resource, auth, OpenAPI
    relay        submit, links to agents, the relay of one agent, attach, nudge
    launchers    make, find and remove agents        (side by side with delivery)
    delivery     ticket, signature, address guard, attempt, breaker, retry policy
    keyring      gateway keys: seal tickets, derive agent tokens
    logs         one event a line, for machines or for a terminal
    descriptors  how many files and sockets this process may open
    settings     the environment, read once
    errors       the error tree        model: the facts all rooms share

What must outlive this process is in the agents' journals; nothing here may
write to disk but the local launcher and the keyring.
"""
