#!/bin/sh
# Install what a requirements file pins into a folder, without what serving never touches:
#   install.sh REQUIREMENTS FOLDER
set -eu
pip install --no-cache-dir --disable-pip-version-check --require-hashes --target "$2" -r "$1"
cd "$2"
# OpenVINO comes with plugins for processors that are not here, and readers of formats that are
# none of ours: two thirds of it.
cd openvino
rm -rf cmake include tools torch share \
  libs/*_gpu_* libs/*_npu_* libs/*auto* libs/*hetero* \
  libs/*tensorflow* libs/*pytorch* libs/*paddle* libs/*onnx* libs/*jax*
cd ..
rm -rf openvino_telemetry* bin
python -m compileall -q .
