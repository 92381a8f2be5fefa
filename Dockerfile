# The gateway alone, as uid 65532, with its configuration in /etc/wsgate/wsgate.yaml. The image has none: mount one.
# It writes nothing, so the container's file system can be read-only.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /build
# For the compiled kernel. Where there is no compiler wsgate is built without it, and is slower.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
COPY requirements/run.txt requirements/build.txt requirements/
# Two environments: one with pip and setuptools that builds, one without them that is shipped.
RUN python3 -m venv tools \
    && tools/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && python3 -m venv --without-pip /opt/wsgate \
    && tools/bin/pip --python /opt/wsgate/bin/python install --no-cache-dir --require-hashes -r requirements/run.txt
COPY LICENSE README.md pyproject.toml setup.py ./
COPY wsgate wsgate
RUN tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels . \
    && tools/bin/pip --python /opt/wsgate/bin/python install --no-cache-dir --no-deps wheels/*.whl

FROM ${BASE}
COPY --from=build /opt/wsgate /opt/wsgate
ENV PATH=/opt/wsgate/bin:$PATH
USER 65532:65532
EXPOSE 8080
# TERM drains, within the configuration's drain.grace: give the container longer than that before it is killed.
STOPSIGNAL SIGTERM
ENTRYPOINT ["wsgate"]
CMD ["serve", "/etc/wsgate/wsgate.yaml"]
