#!/usr/bin/env bash
# A cluster of kind with our images in it, whose port 30080 (the dev overlay's gateway) is port 8080
# of this machine. `make dev-cluster`, after `make images`.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-forge}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
images=("localhost/forge-gateway:$version" "localhost/forge-agent:$version")

if ! command -v kind >/dev/null; then
    echo "kind is not installed: https://kind.sigs.k8s.io says how; or take any other cluster, load" >&2
    echo "${images[*]} into its nodes, and go on with deploy/README.md" >&2
    exit 1
fi
kind get clusters 2>/dev/null | grep -qx "$name" || kind create cluster --name "$name" --config - <<'X'
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
    extraPortMappings:
      - {containerPort: 30080, hostPort: 8080, listenAddress: 127.0.0.1}
X
kind load docker-image --name "$name" "${images[@]}"
kubectl config use-context "kind-$name"
