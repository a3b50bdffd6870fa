"""The bench on a real node: gateways and agents as pods, everything through the Service.

    emitter    the kustomize component with which agents have the bench's backend
    cpu        what the pods' processes use
    cases      what is measured
    __main__   `make bench-cluster`: one table

It fails when an event is lost, comes twice or out of order, never for being slow.
"""
