"""Tests that need a real Kubernetes node, and the node.

    node/   one node in namespaces of its own, made of pinned components
    *       what is proven on it; pytest runs inside the node's network

`make test-cluster` does all of it; `make test` collects nothing here.
"""
