"""One ONNX model over HTTP, by the Open Inference Protocol (v2). Loads onnxruntime and a small ASGI server: no torch,
no MLflow, no KFP."""
