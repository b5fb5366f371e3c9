"""Real servers on this machine: SeaweedFS (S3), MLflow with a login, PostgreSQL where it is installed.

`schwarz stack up` starts them on loopback and returns when they answer; they go on until `schwarz stack down`. Each
server has a folder of its own below `$SCHWARZ_STACK`, and can be used alone: `Seaweed(folder).start()`. Nothing here
imports mlflow, torch or a client of S3.
"""

from schwarz.stack.local import Stack, environment, folder_of
from schwarz.stack.postgres import Postgres
from schwarz.stack.seaweed import Seaweed
from schwarz.stack.server import Server
from schwarz.stack.tracking_server import TrackingServer

__all__ = ["Postgres", "Seaweed", "Server", "Stack", "TrackingServer", "environment", "folder_of"]
