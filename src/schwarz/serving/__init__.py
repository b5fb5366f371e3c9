"""ONNX models behind the Open Inference Protocol (v2), over HTTP and gRPC. Loads onnxruntime and small servers: no
torch, no MLflow, no KFP."""
