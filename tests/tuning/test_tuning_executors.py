"""Other machines: what Dask and Ray offer gives the same log as threads."""

from __future__ import annotations

import pytest
from tools import require_package

from tvm_tiny.errors import BoardError
from tvm_tiny.tuning.firmware import Batch, Kernel, measure

pytestmark = pytest.mark.qemu

BROKEN = Batch("mps2_an386", "layer", (Kernel("k", "no C", (), (), 0),), b"", 1, 1, ())


@pytest.fixture
def dask(emulator):
    distributed = require_package("distributed", "needs the extra dask")
    with distributed.Client(processes=False, n_workers=1, dashboard_address=None) as client:
        yield client.get_executor()


@pytest.fixture
def ray(emulator):
    require_package("ray", "needs the extra ray")
    from tvm_tiny.tuning.ray_executor import RayExecutor

    with RayExecutor(num_cpus=1) as executor:
        yield executor


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_the_log_is_the_same(name, request, module, tuned):
    from tvm_tiny.tuning import tune

    executor = request.getfixturevalue(name)
    found = tune(module, "mps2_an386", executor=executor, jobs=2)
    assert found.to_json() == tuned[1].to_json()


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_errors_come_back(name, request):
    with pytest.raises(BoardError, match="does not build"):
        request.getfixturevalue(name).submit(measure, BROKEN).result()
