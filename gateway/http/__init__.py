"""The HTTP door of the gateway: resources, who may use them, and how errors look.

From the outside in:

    connection    HTTP parsing limits          server       listening and draining
    deadline      by when something must come  (of one connection)
    application   all of the following as one ASGI application
    exchange      request ids, the log line    cors         pages of allowed origins
    failures      exceptions become answers    browser      pages that are not allowed
    endpoint      one path: method, caller, query and body, then the operation
    agents (agentmodels), messages (commands, delivery, policy), prompts, sessions, history,
    events (eventstream), turns, diff, tokens, health, metrics, openapi, docs
                  one resource each
    operations    what a resource is made of   callers, apikeys   who calls
    bodies        bounded bodies into models   forms, numbers   the texts of the wire
    problems      the one form of errors

Resources are data (`Operation`): the same objects route a request and describe
it in /openapi.json. Nothing here makes agents, dials them or posts webhooks;
that is the relay's and the launchers', which know nothing of HTTP. No module of
any other room but `app` and `cli` imports this one.
"""
