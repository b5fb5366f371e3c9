"""Every registered model is listed, however many there are."""

from pathlib import Path

import pytest

from schwarz.tracking.models import open_registry
from schwarz.tracking.server import EMBEDDED, answering, connect

pytestmark = [  # of MLflow's own code
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


def test_more_models_than_mlflow_tells_at_once(tmp_path: Path) -> None:
    uri, names = f"{EMBEDDED}{tmp_path / 'mlflow.db'}", [f"model-{k:03}" for k in range(101)]
    with answering(uri):
        client = connect(uri, 20)
        for name in names:
            client.create_registered_model(name)
        assert len(client.search_registered_models()) < len(names)
    with open_registry(uri) as registry:
        assert registry.names() == names
