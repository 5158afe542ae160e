# Debian's Prometheus, for an engine that cannot pull the published image.
FROM python:3.13-slim-trixie
RUN apt-get update && apt-get install -y --no-install-recommends prometheus \
 && install -d -o nobody /prometheus
USER nobody
ENTRYPOINT ["prometheus"]
