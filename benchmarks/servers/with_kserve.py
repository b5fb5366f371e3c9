"""A model behind kserve's own server, run in kserve's environment: `with_kserve.py MODEL NAME PORT`.

One process, answers computed where requests are read: for a small model that is the quickest it can do. Nothing is
logged of a request, gRPC is off; uvloop is installed, which its own option `event_loop` leaves out with one worker."""

import asyncio
import logging
import sys
from typing import Any

import numpy as np
import onnxruntime
import uvloop
from kserve import InferOutput, InferResponse, Model, ModelServer  # pyright: ignore  # not in our environment


class Onnx(Model):
    def __init__(self, path: str, name: str) -> None:
        super().__init__(name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.outputs = [output.name for output in self.session.get_outputs()]
        self.load()

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> InferResponse:
        results = self.session.run(self.outputs, {each.name: each.as_numpy() for each in payload.inputs})
        outputs = [
            InferOutput(name=name, shape=list(values.shape), datatype="FP32", data=values)
            for name, values in zip(self.outputs, map(np.asarray, results), strict=True)
        ]
        binary = payload.use_binary_outputs
        return InferResponse(payload.id or "", self.name, outputs, use_binary_outputs=binary)


if __name__ == "__main__":
    path, name, port = sys.argv[1:]
    server = ModelServer(http_port=int(port), workers=1, enable_grpc=False, enable_latency_logging=False)
    logging.disable(logging.INFO)
    uvloop.install()
    asyncio.set_event_loop(asyncio.new_event_loop())  # the server asks for one before it runs one
    server.start([Onnx(path, name)])
