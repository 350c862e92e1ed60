"""B7: rows on the great circle between two rows, and the coefficient that says where."""

import math

import torch
from torch import Tensor

from crossgap.losses.extra_rows import check_number
from crossgap.losses.inputs import check_batch, full_precision

__all__ = ["geodesic_mixup", "mixing_coefficient"]

_NO_ANGLE = 1e-4  # sine below which the chord is as good as the arc, and the way between opposite rows is undefined


@full_precision
def geodesic_mixup(x: Tensor, y: Tensor, mixing: float, *, check: bool = True) -> Tensor:
    """Rows on the shortest way along the sphere from ``y`` to ``x``.

    Formula::

        m_i = ( sin(c theta_i) x_i + sin((1 - c) theta_i) y_i ) / sin theta_i,     cos theta_i = x_i.y_i

    How to read it: unit rows; ``x`` at mixing c = 1, ``y`` at c = 0, the middle of the arc at 1/2. Linear mixing would
    leave the sphere, and would move unevenly along the arc.

    Parameters
    ----------
    x, y
        Rows (n, d) of length 1.
    mixing
        Coefficient c from 0 to 1.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    Rows (n, d) of length 1 in float32 (float64 for float64 rows), differentiable in ``x`` and ``y``.

    Raises
    ------
    ValueError
        If the shapes differ, a row is not of length 1, or ``mixing`` is outside 0 to 1.
    TypeError
        If rows are not torch tensors in floating point, or ``mixing`` is no number.

    Notes
    -----
    Cost: 10 n d flops. The quotient is undefined at angles 0 and pi, and lost in rounding before: at a sine of 1e-3 its
    rows are off by a tenth in float32. The same point is computed as cos(c theta) y + sin(c theta) w, with w the unit
    vector at right angles to y towards x, whose error is rounding over the sine. Coincident rows (sine below 1e-4) are
    mixed along the chord and brought back to length 1, which differs from the arc by less than rounding. Between
    opposite rows (sine below 1e-4) there is no shortest way: the nearer end is taken, ``x`` for c of 1/2. The authors'
    code divides by the sine alone.

    References
    ----------
    Oh et al., *Geodesic Multi-Modal Mixup for Robust Fine-Tuning*, NeurIPS 2023, arXiv 2203.03897, section 4.

    Examples
    --------
    A third of the way along a quarter of a circle is at 30 degrees.

    >>> import torch
    >>> x, y = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    >>> [round(float(value), 4) for value in geodesic_mixup(x, y, 1 / 3)[0]]
    [0.866, 0.5]
    """
    x, y, _ = check_batch(x, y, least=1, check=check)
    c = mixing_coefficient(mixing)
    cosine = (x * y).sum(dim=1, keepdim=True)
    across = x - cosine * y  # of length sin theta, and exact to rounding where 1 - cosine**2 is lost
    square = across.square().sum(dim=1, keepdim=True)
    straight = square < _NO_ANGLE**2
    sine = square.masked_fill(straight, 1.0).sqrt()
    angle = torch.atan2(sine, cosine)
    arc = torch.cos(c * angle) * y + torch.sin(c * angle) * (across / sine)
    coincident = straight & (cosine > 0)
    towards = y.where(~coincident, c * x + (1 - c) * y)  # any rows of length above 0 where the arc is taken
    chord = torch.nn.functional.normalize(towards, dim=1)
    return torch.where(coincident, chord, torch.where(straight, x if c >= 0.5 else y, arc))


def mixing_coefficient(
    mixing: float | None = None, *, beta: float = 0.5, generator: torch.Generator | None = None
) -> float:
    """A mixing coefficient as given, or drawn from a symmetric beta distribution.

    Formula::

        c ~ Beta(beta, beta):     mean 1/2, variance 1 / (4 (2 beta + 1))

    How to read it: small ``beta`` gives values near 0 and 1, beta 1 all values alike, large ``beta`` values near 1/2.

    Parameters
    ----------
    mixing
        Coefficient from 0 to 1, returned as it is. None draws one.
    beta
        Parameter of the distribution, above 0.
    generator
        Source of random numbers. Processes that share a batch need generators in the same state.

    Raises
    ------
    ValueError
        If ``mixing`` is outside 0 to 1, ``beta`` is not above 0, or neither ``mixing`` nor ``generator`` is given.
    TypeError
        If ``mixing`` or ``beta`` is no number, or ``generator`` is no torch.Generator.

    Notes
    -----
    Exact draws from uniform numbers: by rejection up to beta 1 (Jöhnk), in closed form above (Ulrich).

    References
    ----------
    Devroye, *Non-Uniform Random Variate Generation*, Springer 1986, chapter IX.3 and IX.4.

    Examples
    --------
    >>> import torch
    >>> mixing_coefficient(0.25)
    0.25
    >>> 0 <= mixing_coefficient(beta=0.5, generator=torch.Generator().manual_seed(0)) <= 1
    True
    """
    if mixing is not None:
        return check_number(mixing, "mixing", 0, 1)
    check_number(beta, "beta", 0, open_ends="low")
    if generator is None:
        raise ValueError("mixing or generator must be given, but both are missing; give a number or a generator.")
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, but it is a {type(generator).__name__}; make one.")
    if beta > 1:
        u, v = _uniform(generator)
        return (1 + math.sqrt(1 - u ** (2 / (2 * beta - 1))) * math.cos(2 * math.pi * v)) / 2
    while True:
        u, v = _uniform(generator)
        log_u, log_v = math.log1p(-u) / beta, math.log1p(-v) / beta
        larger = max(log_u, log_v)
        if larger + math.log1p(math.exp(min(log_u, log_v) - larger)) <= 0:
            return 1 / (1 + math.exp(min(log_v - log_u, 700.0)))


def _uniform(generator: torch.Generator) -> tuple[float, float]:
    u, v = torch.rand(2, generator=generator, device=generator.device, dtype=torch.float64).tolist()
    return u, v
