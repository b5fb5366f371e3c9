"""A model as a custom runtime of mlserver, loaded in its environment: answers are computed where requests are read."""

import onnxruntime
from mlserver import MLModel  # pyright: ignore  # not in our environment
from mlserver.codecs import NumpyCodec  # pyright: ignore
from mlserver.types import InferenceRequest, InferenceResponse  # pyright: ignore


class Onnx(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = self.settings.parameters.uri
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        results = self.session.run(self.names, {each.name: NumpyCodec.decode_input(each) for each in payload.inputs})
        outputs = [NumpyCodec.encode_output(name, values) for name, values in zip(self.names, results, strict=True)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
