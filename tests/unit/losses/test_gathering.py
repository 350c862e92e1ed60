"""Without a distributed run, or with one process; tests/distributed/ has the rest."""

import pytest
import torch
import torch.distributed as dist

from crossgap.losses.gathering import gather_rows, own_rows, process_count


@pytest.fixture
def one_process(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_without_a_run_rows_are_themselves():
    rows = torch.eye(3, requires_grad=True)
    assert gather_rows(rows) is rows
    assert gather_rows(rows, gradient=False) is rows
    assert (process_count(), own_rows(3)) == (1, slice(0, 3))


@pytest.mark.usefixtures("one_process")
def test_one_process_gathers_nothing():
    rows = torch.eye(3, requires_grad=True)
    assert gather_rows(rows) is rows
    assert (process_count(), own_rows(3)) == (1, slice(0, 3))


def test_messages():
    with pytest.raises(TypeError, match="rows must be a torch tensor, but it is a list"):
        gather_rows([[1.0, 0.0]])
    with pytest.raises(ValueError, match="at least one dimension"):
        gather_rows(torch.tensor(1.0))
