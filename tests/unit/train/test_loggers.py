import inspect
import types

import pytest
import torch

from crossgap.train.gap_curves import gap_curve
from crossgap.train.loggers import tensorboard_logger, trackio_logger

VALUES = {"loss": 0.5, "uniformity/x": -3.25}


class Trackio:
    """A stand-in for a trackio run: the signature of its log, and its refusal of reserved names."""

    reserved = frozenset({"project", "run", "timestamp", "step", "time", "metrics"})

    def __init__(self):
        self.lines = []

    def log(self, metrics: dict, step: int | None = None) -> None:
        if type(metrics) is not dict or self.reserved & set(metrics):
            raise ValueError(metrics)
        self.lines.append((step, metrics))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_events_read_back(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path))
    log = tensorboard_logger(writer, prefix="gap/")
    for step in (0, 7, 300):
        log(step, {**VALUES, "step_again": step})
    log(301, gap_curve(torch.eye(4), torch.eye(4), k=(1,)))
    writer.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert {"gap/loss", "gap/uniformity/x", "gap/recall_at_1/x_to_y"} <= set(events.Tags()["scalars"])
    assert [(one.step, one.value) for one in events.Scalars("gap/loss")] == [(0, 0.5), (7, 0.5), (300, 0.5)]
    assert [one.value for one in events.Scalars("gap/step_again")] == [0.0, 7.0, 300.0]
    assert events.Scalars("gap/uniformity/x")[0].value == -3.25


def test_trackio_gets_one_plain_dict_a_step():
    run = Trackio()
    trackio_logger(run)(4, VALUES)
    trackio_logger(run, prefix="gap/")(5, gap_curve(torch.eye(4), torch.eye(4), k=(1,)))
    (first, sent), (second, curve) = run.lines
    assert (first, second, sent) == (4, 5, VALUES)
    assert sent is not VALUES  # trackio keeps what it is given
    assert curve["gap/recall_at_1/x_to_y"] == 1.0


def test_the_module_serves_as_well_as_a_run():
    run = Trackio()
    trackio_logger(types.SimpleNamespace(log=run.log))(1, VALUES)
    assert run.lines == [(1, VALUES)]


def test_no_name_of_a_curve_is_reserved():
    assert not Trackio.reserved & set(gap_curve(torch.eye(4), torch.eye(4)))


@pytest.mark.parametrize("logger", [tensorboard_logger, trackio_logger])
def test_a_logger_is_a_function_of_step_and_values(logger):
    target = types.SimpleNamespace(log=lambda values, step: None, add_scalar=lambda tag, value, step: None)
    log = logger(target)
    assert list(inspect.signature(log).parameters) == ["step", "values"]
    assert log(0, {}) is None


def test_refusals():
    with pytest.raises(TypeError, match="writer must have a method add_scalar, but it is a Trackio"):
        tensorboard_logger(Trackio())
    with pytest.raises(TypeError, match="run must have a method log, but it is a dict"):
        trackio_logger({})
