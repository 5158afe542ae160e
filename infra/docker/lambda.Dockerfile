# The image of all four functions; serverless.yml says which one each runs. From the root:
#   docker buildx build --platform linux/amd64 --provenance=false \
#     -f infra/docker/lambda.Dockerfile -t skylane-lambda --load .
# (Lambda takes no image with a provenance attestation beside it.)
FROM public.ecr.aws/lambda/python:3.13 AS dependencies
COPY requirements/lambda.txt /tmp/
# OpenVINO comes with plugins for processors that Lambda has not, and readers of formats that
# are none of ours: two thirds of it.
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes \
      --target /dependencies -r /tmp/lambda.txt \
 && cd /dependencies/openvino \
 && rm -rf cmake include tools torch share \
      libs/*_gpu_* libs/*_npu_* libs/*auto* libs/*hetero* \
      libs/*tensorflow* libs/*pytorch* libs/*paddle* libs/*onnx* libs/*jax* \
 && rm -rf /dependencies/openvino_telemetry* /dependencies/bin \
 && python -m compileall -q /dependencies

FROM public.ecr.aws/lambda/python:3.13
COPY --from=dependencies /dependencies ${LAMBDA_TASK_ROOT}
COPY settings.py batching.py logs.py ${LAMBDA_TASK_ROOT}/
COPY store ${LAMBDA_TASK_ROOT}/store
COPY model ${LAMBDA_TASK_ROOT}/model
COPY tasks ${LAMBDA_TASK_ROOT}/tasks
COPY api ${LAMBDA_TASK_ROOT}/api
COPY lambda_adapters ${LAMBDA_TASK_ROOT}/lambda_adapters
RUN python -m compileall -q ${LAMBDA_TASK_ROOT}
CMD ["lambda_adapters.infer.handler"]
