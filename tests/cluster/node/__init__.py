"""One real Kubernetes node on this machine, in namespaces of its own.

    progress       what is being done, and for how many seconds
    errors         what can go wrong
    cache          the folder outside the repository
    commands       a program run to its end, within a limit
    packages       the Debian packages it needs; installs those that are missing
    components     Kubernetes from its Go modules (go.mod here), built once into a cache
    layout         where everything of one node lives
    sandbox        PID, mount and network namespace: whoever ends its process 1 ends all of it
    cgroups        the node's own folder in every cgroup hierarchy
    credentials    tokens, keys and kubeconfigs
    configuration  what containerd, kubelet and kube-proxy are told
    services       the programs of a node as data, in the order in which they are started
    programs       one program in the sandbox: started, stopped, killed
    volumes        PersistentVolumes to bind
    node           all of it, up and down
    second         another one in its cluster, which can be lost
    archive        the pause image
    engine         buildah, which builds the images and keeps their layers
    base           the base image of the tests' images
    images         the project's images, in archives for a node
    seed           what containerd made of images, for nodes to begin with
    leftovers      what a node has left behind, in sentences
    reservation    one run at a time

Nothing outside the cache folder, the cgroups and the processes is touched: mounts and
addresses are in the namespaces. In: only the standard library and `cryptography`, no
pytest. `python -m tests.cluster.node` has the commands.
"""
