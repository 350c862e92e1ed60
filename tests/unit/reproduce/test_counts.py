"""Numbers of worlds, seeds and the like below 1 are told before any work."""

import pytest

from crossgap.reproduce import (
    explained_variance,
    fine_tuning,
    free_points,
    frozen_towers,
    loss_ablation,
    same_modality,
    sphere,
    temperature_sweep,
)

COUNTS = [
    (loss_ablation, "worlds"),
    (loss_ablation, "heads"),
    (fine_tuning, "worlds"),
    (fine_tuning, "heads"),
    (explained_variance, "worlds"),
    (explained_variance, "heads"),
    (same_modality, "seeds"),
    (sphere, "seeds"),
    (free_points, "seeds"),
    (temperature_sweep, "seeds"),
    (frozen_towers, "splits"),
    (frozen_towers, "heads"),
]


@pytest.mark.parametrize(("experiment", "name"), COUNTS)
def test_none_at_all_is_told(experiment, name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, but it is 0; leave it out"):
        experiment.run(**{name: 0})
