"""What a strategy is made of, and what it therefore cost."""

from pathlib import Path

import pytest

from schwarz.blueprint import NETWORK
from schwarz.files import write_json
from schwarz.strategies import Trained

COST = {"box-0": 1.0, "box-1": 2.0, "coarse": 10.0, "coherent": 20.0, "transfer": 40.0, "tuned": 80.0, "global": 160.0}


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    for name, cpu_s in COST.items():
        write_json(tmp_path / name / "history.json", {"cpu_s": [cpu_s / 2, cpu_s]})
    write_json(tmp_path / "transfer" / NETWORK, {"pretrain": None})
    at = {name: tmp_path / name for name in COST}
    return Trained(
        [at["box-0"], at["box-1"]], at["coarse"], at["coherent"], at["transfer"], tmp_path, at["tuned"], at["global"]
    )


def test_the_cost_of_a_strategy_is_that_of_all_its_parts(trained: Trained):
    assert {name: trained.cpu_s(name) for name in ("average", "majority", "product", "composed")} == dict.fromkeys(
        ("average", "majority", "product", "composed"), 3.0
    )
    assert trained.cpu_s("coarse") == 13.0
    assert trained.cpu_s("transfer") == 43.0
    assert trained.cpu_s("composed_tuned") == 83.0
    assert trained.cpu_s("coherent") == 20.0
    assert trained.cpu_s("global") == 160.0


def test_what_pretrains_local_networks_of_its_own_has_not_the_cost_of_the_others(trained: Trained):
    write_json(trained.folder("transfer") / NETWORK, {"pretrain": 150})
    assert trained.cpu_s("transfer") == 40.0
    assert trained.cpu_s("coarse") == 13.0
