# One image for every role; the command says which: `docker run battcrm run gateway`.
FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/battcrm
WORKDIR /build
# What the lock names, by hash; a layer of its own, because it changes least.
COPY requirements/runtime.lock requirements/
RUN /opt/battcrm/bin/pip install --require-hashes -r requirements/runtime.lock
COPY pyproject.toml README.md ./
COPY src src
COPY migrations migrations
RUN /opt/battcrm/bin/pip install --no-deps . \
 && /opt/battcrm/bin/python -m battcrm.extraction.gazetteer.compile \
 && /opt/battcrm/bin/python -m compileall -q /opt/battcrm/lib

FROM python:3.12-slim
# Nobody's shell, nobody's files: the process may write its media and nothing else.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin battcrm \
 && install -d -o battcrm -g battcrm /var/lib/battcrm /var/lib/battcrm/media
COPY --from=build /opt/battcrm /opt/battcrm
ENV PATH=/opt/battcrm/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    BATTCRM_HOME=/var/lib/battcrm BATTCRM_MEDIA_DIR=/var/lib/battcrm/media \
    BATTCRM_GATEWAY_HOST=0.0.0.0 BATTCRM_METRICS_HOST=0.0.0.0 BATTCRM_METRICS_PORT=9100
USER 10001
WORKDIR /var/lib/battcrm
VOLUME /var/lib/battcrm/media
EXPOSE 8080 9100
# Liveness is progress: 503 when a loop of the process stands still.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9100/healthz', timeout=4)"]
# SIGTERM lets a role finish what it holds.
STOPSIGNAL SIGTERM
ENTRYPOINT ["battcrm"]
CMD ["run", "all"]
