#!/usr/bin/env bash
# Builds the images with whichever of docker, podman and buildah works here: `make images`.
# Settings, all from the environment:
#   IMAGES      which: "gateway agent"
#   IMAGE_NAME  how they begin: localhost/forge makes localhost/forge-gateway and -agent
#   IMAGE_TAG   version of the project
#   BASE_IMAGE  image with Python 3.11 or newer, venv and apt-get
#   CLIS        which CLIs the agent has, of opencode claude codex codex-acp; may be empty
#   ENGINE      the program that builds, with its options
#   BUILD_ARGS  further options of its `build`, such as --no-cache
set -euo pipefail
cd "$(dirname "$0")/.."

works() {
    case $1 in
    docker) docker info ;;
    podman) podman info ;;
    buildah) buildah version ;;
    esac >/dev/null 2>&1
}

if [ -z "${ENGINE:-}" ]; then
    for ENGINE in docker podman buildah none; do works "$ENGINE" && break; done
fi
if [ "$ENGINE" = none ]; then
    echo "none of docker, podman and buildah works here; ENGINE names another" >&2
    exit 1
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
options=()
[ -z "${BASE_IMAGE:-}" ] || options+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
case $ENGINE in buildah*) options+=(--layers) ;; esac # the others keep layers anyway

for image in ${IMAGES:-gateway agent}; do
    name=${IMAGE_NAME:-localhost/forge}-$image:${IMAGE_TAG:-$version}
    own=()
    [ "$image" != agent ] || own+=(--build-arg "CLIS=${CLIS-opencode}")
    # shellcheck disable=SC2086 # both are lists of words
    $ENGINE build "${options[@]}" "${own[@]}" ${BUILD_ARGS:-} \
        --label "org.opencontainers.image.version=$version" \
        --label "org.opencontainers.image.revision=$revision" \
        --file "deploy/$image.Dockerfile" --tag "$name" .
    echo "built $name"
done
