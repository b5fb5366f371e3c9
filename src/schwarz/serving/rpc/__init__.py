"""The Open Inference Protocol over gRPC, beside HTTP: the same models, checks and limits. Loaded where it is asked
for."""
