"""Made-up pairs with a known cause: one latent thing, seen by two random networks."""

import numpy as np

__all__ = ["two_cone_latents", "two_cone_pairs"]


def two_cone_pairs(
    n: int,
    *,
    seed: int = 0,
    latent: int = 24,
    nuisance: int = 16,
    hidden: int = 256,
    dimension: int = 128,
    unlike: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Features of two modalities that share a latent vector, each in a cone of its own.

    Formula::

        z ~ N(0, I_latent),  n_m ~ N(0, I_nuisance),  v = [z; n_m]
        features of modality m = ReLU(v W_1 + b) W_2 / (standard deviation of the entries of rows that are not unlike)
        W_1 ~ N(0, 1/(latent + nuisance)),  b ~ N(0, 1),  W_2 ~ N(0, 1/hidden)

    How to read it: what matches is z; what only one modality knows is n_m. Each network has weights of its own, so its
    features point to one side (the cone effect), and to another side than those of the other modality. Two untrained
    linear heads on them start with a centroid distance of about 1.1.

    Parameters
    ----------
    n
        Number of pairs, at least 1.
    seed
        Fixes the networks and the rows. A longer draw begins with the rows of a shorter one, up to one factor (the
        standard deviation); so for parts of one world (training, test) draw once and split.
    latent, nuisance
        Length of z and of n_m.
    hidden, dimension
        Width of the network and of its features.
    unlike
        The last so many rows come from another distribution, seen by the same networks: the standard deviations of z
        fall evenly from 1.6 to 0.4, those of n_m are 1.5. The other rows stay what they are without these.

    Returns
    -------
    Two float32 arrays (n, dimension); row i of one matches row i of the other.

    Raises
    ------
    ValueError
        If a size is below 1 (``nuisance`` may be 0), or ``unlike`` is negative or not below n.

    Notes
    -----
    Cost: n (latent + nuisance + dimension) hidden multiply-adds for each modality; 10 ms for 3,000 pairs. The rows are
    not of length 1: they are inputs of heads, not embeddings.

    Examples
    --------
    >>> x, y = two_cone_pairs(3000, seed=0)
    >>> x.shape, str(x.dtype), round(float(x.std()), 4)
    ((3000, 128), 'float32', 1.0)
    >>> train, test = slice(0, 2000), slice(2000, 3000)  # one world, two parts
    """
    for name, size, least in (
        ("n", n, 1),
        ("latent", latent, 1),
        ("nuisance", nuisance, 0),
        ("hidden", hidden, 1),
        ("dimension", dimension, 1),
    ):
        if size < least:
            raise ValueError(
                f"{name} must be at least {least}, but it is {size}; the papers' toy uses 24, 16, 256, 128."
            )
    if not 0 <= unlike < n:
        raise ValueError(f"unlike must be at least 0 and below n = {n}, but it is {unlike}; give for example {n // 3}.")
    world, things = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    z, *noises = _things(things, n, latent=latent, nuisance=nuisance, unlike=unlike)
    x, y = (_seen(np.concatenate([z, noise], axis=1), hidden, dimension, world, like=n - unlike) for noise in noises)
    return x, y


def two_cone_latents(n: int, *, seed: int = 0, latent: int = 24, nuisance: int = 16, unlike: int = 0) -> np.ndarray:
    """Return z (n, latent), the latent vectors that the rows of ``two_cone_pairs`` with the same arguments show.

    How to read it: what a row is of, as opposed to how a modality shows it; labels of the rows are functions of it.

    Parameters
    ----------
    n, seed, latent, nuisance, unlike
        As given to ``two_cone_pairs``.

    Examples
    --------
    >>> two_cone_latents(3, seed=1).shape
    (3, 24)
    """
    _, things = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    return _things(things, n, latent=latent, nuisance=nuisance, unlike=unlike)[0]


def _things(draws: np.random.Generator, n: int, *, latent: int, nuisance: int, unlike: int) -> list[np.ndarray]:
    """Draw z and the private part of each modality."""
    z, *noises = np.split(draws.standard_normal((n, latent + 2 * nuisance)), [latent, latent + nuisance], axis=1)
    z[n - unlike :] *= np.linspace(1.6, 0.4, latent)
    for noise in noises:
        noise[n - unlike :] *= 1.5
    return [z, *noises]


def _seen(v: np.ndarray, hidden: int, dimension: int, world: np.random.Generator, *, like: int) -> np.ndarray:
    """Pass rows through a random network of one hidden layer; the first ``like`` rows set the scale."""
    first = world.standard_normal((v.shape[1], hidden)) / np.sqrt(v.shape[1])
    offset = world.standard_normal(hidden)
    second = world.standard_normal((hidden, dimension)) / np.sqrt(hidden)
    features = np.maximum(v @ first + offset, 0) @ second
    return (features / features[:like].std()).astype(np.float32)
