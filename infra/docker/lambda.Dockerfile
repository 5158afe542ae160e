# The image of all four functions; serverless.yml says which one each runs. From the root:
#   docker buildx build --platform linux/amd64 --provenance=false \
#     -f infra/docker/lambda.Dockerfile -t skylane-lambda --load .
# (Lambda takes no image with a provenance attestation beside it.)
FROM public.ecr.aws/lambda/python:3.13 AS dependencies
COPY infra/docker/install.sh requirements/lambda.txt /tmp/
RUN sh /tmp/install.sh /tmp/lambda.txt /dependencies

FROM public.ecr.aws/lambda/python:3.13
COPY --from=dependencies /dependencies ${LAMBDA_TASK_ROOT}
COPY settings.py batching.py logs.py tracing.py ${LAMBDA_TASK_ROOT}/
COPY store ${LAMBDA_TASK_ROOT}/store
COPY model ${LAMBDA_TASK_ROOT}/model
COPY tasks ${LAMBDA_TASK_ROOT}/tasks
COPY api ${LAMBDA_TASK_ROOT}/api
COPY lambda_adapters ${LAMBDA_TASK_ROOT}/lambda_adapters
RUN python -m compileall -q ${LAMBDA_TASK_ROOT}
CMD ["lambda_adapters.infer.handler"]
