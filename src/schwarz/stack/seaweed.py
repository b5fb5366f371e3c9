"""SeaweedFS: an object store that speaks S3, as one process."""

import shutil
import sys
from pathlib import Path
from typing import ClassVar

from schwarz.errors import SchwarzError
from schwarz.stack.kept import secret
from schwarz.stack.ports import HOST
from schwarz.stack.server import Launch, Server
from schwarz.stack.signing import request

BUCKET = "schwarz"
REGION = "us-east-1"
PARTS = ("s3", "master", "volume", "filer", "admin")
INSTALL = "`make up` installs what it needs; without make: pip install -c constraints.txt -e '.[stack]'"
SETTINGS = (
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.autoCreateBucket=false",  # as any other store: what is written to a bucket that is not there is refused
    "-s3.localSocket=s3.socket",
    "-admin.ui=false",
    "-volume.preStopSeconds=0",  # no other server of it need hear first that it leaves
    "-webdav=false",
    "-master.telemetry=false",
)
# Keys without which its other ports give anybody on this machine what the S3 port guards.
GUARDS = ("SIGNING_KEY", "SIGNING_READ_KEY", "FILER_SIGNING_KEY", "FILER_SIGNING_READ_KEY")


class Seaweed(Server):
    """The object store of one folder, with the bucket `schwarz`."""

    name = "SeaweedFS"
    port_names: ClassVar = (*PARTS, *(f"{part} gRPC" for part in PARTS))

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.ports['s3']}"

    @property
    def environment(self) -> dict[str, str]:
        """What boto3, minio, DVC and MLflow need to use it. AWS_DEFAULT_REGION is boto3's name for the region."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": secret(self.folder, "access key id")[:20].upper(),
            "AWS_SECRET_ACCESS_KEY": secret(self.folder, "secret access key"),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def prepare(self) -> None:
        (self.folder / "data").mkdir(mode=0o700, exist_ok=True)

    def launch(self) -> Launch:
        ports = [f"-{part}.port={self.ports[part]}" for part in PARTS]
        ports += [f"-{part}.port.grpc={self.ports[f'{part} gRPC']}" for part in PARTS]
        command = (_weed(), "-logtostderr", "mini", "-dir=data", f"-ip={HOST}", f"-ip.bind={HOST}", *ports, *SETTINGS)
        guards = {f"WEED_JWT_{guard}": secret(self.folder, guard) for guard in GUARDS}
        login = {name: self.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        return Launch(command, {**login, **guards})

    def fault(self) -> str | None:
        try:
            status = request("GET", "/", self.environment)
            made = request("PUT", f"/{BUCKET}", self.environment) if status == 200 else 0
        except OSError as fault:
            return str(fault)
        if status != 200:
            return f"asked for its buckets it answers {status}"
        return None if made in (200, 409) else f"asked for the bucket {BUCKET} it answers {made}"  # 409: it is there


def _weed() -> str:
    """The program, from the environment that this package is installed in, else from PATH."""
    own = Path(sys.executable).parent / "weed"
    found = str(own) if own.exists() else shutil.which("weed")
    if found is None:
        raise SchwarzError(f"SeaweedFS (the program `weed`) is not installed. {INSTALL}")
    return found
