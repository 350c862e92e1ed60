"""Losses of dual encoders: differentiable objectives of a batch of matched rows.

Every loss is a function ``loss(x, y, logit_scale, *, options)``, in open_clip's order of arguments: image rows (B, d),
text rows (B, d), both of length 1, row i matched with row i, and the logit scale 1/temperature. It returns a scalar.
"""

from importlib.util import find_spec

from crossgap.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError("losses need torch, which is not installed; install it: pip install 'crossgap[torch]'.")

__all__: list[str] = []
