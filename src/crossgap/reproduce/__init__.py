"""The experiments of the papers, each from one command, beside the published numbers.

Every module has ``run(*, scale, seed, output, progress, ...) -> Table``: "small" is a generator or a small network, on
two cores in seconds to minutes; "full" is the protocol of the paper, on a model and data that you have.
"""

from importlib.util import find_spec

from crossgap.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError(
        "experiments need torch, which is not installed; install it: pip install 'crossgap[torch]'."
    )

__all__: list[str] = []
