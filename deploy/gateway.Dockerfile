# The gateway: `make images`. Python comes from the base image, tini from Debian's repository of the
# day, everything else from the lock file, checked by hash (more: agent.Dockerfile).
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
# pip trusts whom the base image trusts
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY deploy/locks/build.txt deploy/locks/gateway.txt ./
# Of the Kubernetes client goes what is generated for each kind of object: 120 MB of classes that are
# imported only when they are named, which nothing here does (launchers/kubernetes/connection.py).
# What the gateway does import of it is imported here: it must do without.
RUN python3 -m venv tools \
 && tools/bin/pip install --quiet --require-hashes -r build.txt \
 && python3 -m venv --without-pip /opt/forge \
 && tools/bin/pip --python /opt/forge/bin/python install --quiet --no-compile --require-hashes -r gateway.txt \
 && find /opt/forge/lib -type f -name '*.py' ! -name __init__.py \
        \( -path '*/kubernetes/client/*/*' -o -path '*/kubernetes/aio/client/*/*' \) -delete \
 && /opt/forge/bin/python -B -c 'from kubernetes.aio.client.api_client import ApiClient; \
from kubernetes.aio.config import incluster_config, kube_config' \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/forge/lib
COPY pyproject.toml README.md ./
COPY proto proto
COPY gateway gateway
COPY agent_runtime agent_runtime
RUN tools/bin/pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir wheels . \
 && tools/bin/pip --python /opt/forge/bin/python install --quiet --no-compile --no-deps --no-index \
        --root /project wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -s /project /project

FROM ${BASE_IMAGE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tini \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && useradd --uid 1000 --user-group --create-home --shell /usr/sbin/nologin forge
# What seldom changes, then what every release changes
COPY --from=build /opt/forge /opt/forge
COPY --from=build /project /
ENV PATH=/opt/forge/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 1000:1000
WORKDIR /home/forge
EXPOSE 8080
ENTRYPOINT ["tini", "--"]
CMD ["forge", "serve"]
# version and revision are added by deploy/images.sh
LABEL org.opencontainers.image.title="forge-gateway" \
      org.opencontainers.image.description="A message over HTTP in, signed webhooks in order out"
