# The gateway with all of its extras, as uid 65532. Its configuration is /etc/wsgate/wsgate.yaml; the one in the image answers
# with a page that says how to mount another. docs/container.md has the rest.
#
# The base is of one digest, for all architectures, so that the build is the same tomorrow: docs/releasing.md says how it is
# renewed. For the newest one: --build-arg BASE=python:3.13-slim
ARG BASE=python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${BASE} AS build
WORKDIR /build
# For the compiled kernel. Where there is no compiler wsgate is built without it, and is slower.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
COPY requirements/all.txt requirements/build.txt requirements/sbom.txt requirements/
# Three environments: one with pip and setuptools that builds, one that lists the parts, and one without either that is shipped.
RUN python3 -m venv tools && python3 -m venv sbom \
    && tools/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && sbom/bin/pip install --no-cache-dir --require-hashes -r requirements/sbom.txt \
    && python3 -m venv --without-pip /opt/wsgate \
    && tools/bin/pip --python /opt/wsgate/bin/python install --no-cache-dir --require-hashes -r requirements/all.txt
COPY LICENSE README.md pyproject.toml setup.py ./
COPY wsgate wsgate
RUN tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels . \
    && tools/bin/pip --python /opt/wsgate/bin/python install --no-cache-dir --no-deps wheels/*.whl \
    && sbom/bin/cyclonedx-py environment --output-reproducible --output-file /opt/wsgate/sbom.cdx.json /opt/wsgate/bin/python

FROM ${BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="wsgate" \
      org.opencontainers.image.description="A WebSocket gateway: relays WebSocket sessions, tunnels TCP services" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/wsgate /opt/wsgate
COPY deploy/image/wsgate.yaml /etc/wsgate/wsgate.yaml
ENV PATH=/opt/wsgate/bin:$PATH
USER 65532:65532
# HTTP, HTTPS, and the admin listener. Docker and Podman let every user of a container have the ports below 1024.
EXPOSE 80 443 9600
# Not ready while it drains, too. It takes admin: {bind: "127.0.0.1:9600"} in the configuration, or 0.0.0.0 and a token.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["wsgate", "probe", "http://127.0.0.1:9600/readyz"]
# TERM drains: give the container more time than the configuration's drain takes before it is killed.
STOPSIGNAL SIGTERM
ENTRYPOINT ["wsgate"]
CMD ["serve", "/etc/wsgate/wsgate.yaml"]
