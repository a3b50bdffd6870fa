#!/usr/bin/env bash
# Apply an overlay (dev, production, or a folder of your own) to the cluster that kubectl points to,
# and wait until its gateways serve. `make deploy`.
set -euo pipefail
gateways=app.kubernetes.io/name=forge-gateway
overlay=${1:?name an overlay: dev, production or a folder}
[ -d "$overlay" ] || overlay=$(dirname "$0")/kustomize/overlays/$overlay
manifests=$(kubectl kustomize "$overlay")
namespace=$(awk '/^kind: /{kind = $2} kind == "Deployment" && /^  namespace: /{print $2; exit}' <<<"$manifests")

echo "cluster: $(kubectl config current-context), namespace: $namespace"
missing=()
for secret in forge-gateway-keys forge-api-keys; do
    found=$(kubectl -n "$namespace" get secret "$secret" --ignore-not-found -o name)
    [ -n "$found" ] || missing+=("$secret")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "no gateway starts without these Secrets: ${missing[*]}" >&2
    echo "deploy/README.md, 'Namespace and keys', has the commands that make them" >&2
    exit 1
fi

kubectl apply -f - <<<"$manifests"
if ! kubectl -n "$namespace" rollout status deployment/forge-gateway --timeout=3m; then
    kubectl -n "$namespace" get pods -l "$gateways"
    kubectl -n "$namespace" logs -l "$gateways" --prefix --tail=1 || true
    echo "kubectl -n $namespace describe pods -l $gateways says more" >&2
    exit 1
fi
