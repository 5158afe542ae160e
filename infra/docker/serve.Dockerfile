# The image of every program of the on-prem lane; compose.yaml says which one each container runs.
# From the root:
#   docker build -f infra/docker/serve.Dockerfile -t skylane .
FROM node:22-slim AS page
WORKDIR /ui
COPY ui/package.json ui/package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund
COPY ui ./
RUN npx --no-install vite build && gzip -9 -n -k dist/assets/*.js dist/assets/*.css

FROM python:3.13-slim-trixie AS dependencies
COPY infra/docker/install.sh requirements/image.txt /tmp/
RUN sh /tmp/install.sh /tmp/image.txt /dependencies

FROM python:3.13-slim-trixie
# Its home is writable for it alone; everything else here belongs to root.
RUN useradd --uid 10001 --create-home --home-dir /var/lib/skylane skylane \
 && install -d -o skylane -g skylane /var/lib/skylane/images /var/lib/skylane/cache
COPY --from=dependencies /dependencies /opt/dependencies
WORKDIR /opt/skylane
COPY settings.py batching.py logs.py tracing.py ./
COPY store store
COPY model model
COPY tasks tasks
COPY api api
COPY local local
COPY cli cli
COPY --from=page /ui/dist ui/dist
ENV PYTHONPATH=/opt/skylane:/opt/dependencies PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SKYLANE_HOME=/var/lib/skylane
RUN python -m compileall -q /opt/skylane
USER skylane
ENTRYPOINT ["python", "-m", "cli"]
CMD ["--help"]
