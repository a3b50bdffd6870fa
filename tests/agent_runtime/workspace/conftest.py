from pathlib import Path

import pytest

from tests.agent_runtime.workspace.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.under(tmp_path)
