"""Tests that need a real Kubernetes node, and the node.

    node/        one node in namespaces of its own, made of pinned components
    kubectl      kubectl, with the node's kubeconfig
    objects      what there is, read without kubectl
    namespace    a namespace of a test's own; place: what tests do and see there
    overlay      a kustomization for tests; deployment: gateways made with it
    outside      a gateway outside of the cluster
    account      what the gateways' account may do, and a little less
    containers   processes of pods, killed from outside
    gate         keeps agents' pods Pending
    contents     what agents are told to do
    model        the stub model in a pod
    receiving    a receiver that pods reach
    bench/       how fast; `make bench-cluster`
    launcher/    the Kubernetes launcher alone
    test_*       what is proven over real pods; pytest runs inside the node's network

`make test-cluster` does all of it; `make test` collects nothing here.
"""
