"""What is done to embeddings before a decoder sees them: the Connect, Collapse and Corrupt of C3."""

from typing import Any, Literal

import numpy as np

from crossgap.close import Closer, Corruption
from crossgap.data.embeddings import Embeddings
from crossgap.geometry.rows import materialise

__all__ = ["ARMS", "Arm", "Preparation"]

Arm = Literal["C1", "C2_1", "C2_2", "C3"]
ARMS: tuple[Arm, ...] = ("C1", "C2_1", "C2_2", "C3")
_COLLAPSES, _CORRUPTS = ("C2_1", "C3"), ("C2_2", "C3")
_STREAM = 0x7C3


class Preparation:
    """Rows of any group as the decoder of one group takes them: collapsed, and in training corrupted.

    Formula::

        in training     e = norm(norm(x) - m_l [collapse] + sigma n [corrupt]),   x of the group l that is learned on
        in use          e = norm(norm(x) - m_g [collapse]),                       x of any group g

        arm     C1     C2_1       C2_2      C3
        steps   none   collapse   corrupt   both

    How to read it: the mean gap is a constant, so taking each group's own mean away brings the groups together
    (collapse); what still parts partners is noise, so a decoder that bears noise bears them (corrupt). The four arms
    are the paper's ablation; "C3" is the method. One ``Corruption`` of ``crossgap.close`` does both.

    Parameters
    ----------
    corruption
        A fitted closer; it holds the means and the noise.
    arm
        Which steps are taken.
    learn_on
        The group whose rows the decoder is trained on.
    closer
        A fitted closer that goes before it, in place of the means.

    Notes
    -----
    Noise is drawn afresh for each epoch and never in use. It comes before the last normalisation and after the
    subtraction of the mean, as in C3's code. Means need rows of each modality that is used, though no pairs (erratum
    22). With ``renormalise=False`` the rows keep the length that is left (about 0.7 after a collapse), as when C3's
    code fine-tunes on pairs (erratum 20).

    References
    ----------
    Zhang et al., *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, section 4 and table 2.

    Examples
    --------
    Texts lie about (0, 0, 1) and pictures about (0, 0, -1); prepared, partners meet.

    >>> texts = np.array([[0.6, 0.0, 0.8], [-0.6, 0.0, 0.8]])
    >>> pictures = np.array([[0.6, 0.0, -0.8], [-0.6, 0.0, -0.8]])
    >>> e = Embeddings.from_arrays(image=pictures, text=texts)
    >>> Preparation.fit(e, arm="C2_1").rows(pictures, "image").round(3).tolist()
    [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]
    """

    def __init__(self, corruption: Corruption, *, arm: Arm, learn_on: str, closer: Closer | None = None) -> None:
        self.arm: Arm = arm
        self.corruption, self.learn_on, self.closer = corruption, learn_on, closer

    @classmethod
    def fit(
        cls,
        embeddings: Embeddings,
        *,
        arm: Arm = "C3",
        learn_on: str = "text",
        closer: Closer | None = None,
        variance: float | None = 0.016,
        target_cosine: float | None = None,
        noise: str = "gaussian",
        noise_subspace: str = "full",
        seed: int = 0,
        renormalise: bool = True,
    ) -> "Preparation":
        """Learn the means and the noise from training rows of one or more groups; nothing needs to pair.

        Parameters
        ----------
        embeddings
            Training rows; all that are known of each group make its mean (all captions, not one of each picture).
        arm
            "C1", "C2_1", "C2_2" or "C3".
        learn_on
            The group that the decoder will be trained on; it must be among them.
        closer
            A fitted closer to go first, in place of the means: ``Translation``, ``ReAlign``, ``MemoryProjection``
            (then the arm is "C1" or "C2_2").
        variance, target_cosine, noise, noise_subspace, seed, renormalise
            As in ``Corruption``; variance and target_cosine have no say in the arms without noise. What a variance does
            depends on d and on what length the collapse leaves, so for d other than 512 give ``target_cosine``: 0.23 is
            that of C3.

        Raises
        ------
        ValueError
            If the arm or the group is unknown, a parameter is out of range, or a closer is combined with a collapse.
        DegenerateError
            If a group has fewer than two rows, or all its rows are alike.
        """
        if arm not in ARMS:
            raise ValueError(f"arm must be one of {', '.join(map(repr, ARMS))}, but it is {arm!r}; choose one.")
        if learn_on not in embeddings:
            raise ValueError(
                f"learn_on must be one of the groups {', '.join(embeddings)}, but it is {learn_on!r}; name the group "
                f"that the decoder is trained on."
            )
        if closer is not None and arm in _COLLAPSES:
            raise ValueError(
                f"a closer takes the place of the means, but the arm {arm!r} collapses too; take 'C1' or 'C2_2'."
            )
        if closer is not None:
            embeddings = closer.transform_embeddings(embeddings)
        corrupts = arm in _CORRUPTS
        corruption = Corruption(
            variance=variance if corrupts else 0.0,
            target_cosine=target_cosine if corrupts else None,
            noise=noise if corrupts else "gaussian",
            noise_subspace=noise_subspace if corrupts else "full",
            centre=arm in _COLLAPSES,
            seed=seed,
            renormalise=renormalise,
        )
        corruption.fit_embeddings(embeddings.select([learn_on, *(name for name in embeddings if name != learn_on)]))
        return cls(corruption, arm=arm, learn_on=learn_on, closer=closer)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that it knows."""
        return self.corruption.groups_

    @property
    def dimension(self) -> int:
        """The length d of every vector."""
        return int(self.corruption.n_features_in_)

    @property
    def collapses(self) -> bool:
        """Whether a mean is taken away, so that rows of a group without one cannot be prepared."""
        return self.arm in _COLLAPSES

    def rows(self, rows: Any, group: str) -> np.ndarray:
        """Return rows (n, d) of a group as the decoder takes them, without noise, in float32.

        Raises
        ------
        ValueError
            If the group has no mean (or the closer does not know it), the dimension is another one, or a row is not
            finite.
        DegenerateError
            If nothing is left of a row once the mean is taken away.
        """
        found = self._closed(rows, group)
        return self.corruption.move(found, self._known(group)).astype(np.float32)

    def training_rows(self, rows: Any, *, epoch: int, index: Any = 0) -> np.ndarray:
        """Return rows (n, d) of the group learned on, with the noise of an epoch, in float32.

        The noise is a function of the seed, the epoch and ``index`` (any whole numbers: those of the rows), so a
        resumed training sees the same.
        """
        found = self._closed(rows, self.learn_on)
        if self.arm not in _CORRUPTS:
            return self.corruption.move(found, self.learn_on).astype(np.float32)
        seed = [self.corruption.seed, _STREAM, epoch, *np.atleast_1d(np.asarray(index, np.int64))[:64].tolist()]
        draws = np.random.default_rng(seed)
        groups = np.full(len(found), self.learn_on)
        return self.corruption.corrupt(found, groups=groups, generator=draws).astype(np.float32)

    def add_group(self, rows: Any, name: str) -> None:
        """Learn the mean of a further modality from rows of it; see ``Corruption.add_group``."""
        if self.closer is not None:
            raise ValueError(
                f"the closer {type(self.closer).__name__} cannot learn a further group; fit it anew with {name!r}."
            )
        self.corruption.add_group(rows, name)

    def _closed(self, rows: Any, group: str) -> np.ndarray:
        found = np.asarray(materialise(rows) if hasattr(rows, "shape") else rows)
        if found.dtype == np.float16:
            found = found.astype(np.float32)
        if found.ndim != 2 or found.shape[1] != self.dimension:
            raise ValueError(
                f"{group} must have shape (n, {self.dimension}), as what the decoder was fitted on, but it is "
                f"{tuple(found.shape)}; give vectors of the same model."
            )
        if found.dtype.kind not in "fiu":
            raise ValueError(f"{group} must hold numbers, but its type is {found.dtype}; give an array of float32.")
        if not np.isfinite(found).all():
            raise ValueError(f"{group} must hold finite numbers, but it holds NaN or infinity; leave such rows out.")
        if not found.any(axis=1).all():
            raise ValueError(
                f"{group} must have rows with a direction, but row {int(np.argmin(found.any(axis=1)))} is all zeros; "
                f"leave it out."
            )
        return found if self.closer is None else self.closer.move(found, group)

    def _known(self, group: str) -> str:
        if group in self.groups:
            return group
        if self.collapses:
            raise ValueError(
                f"there is no mean for {group!r}, since the decoder was fitted with rows of {', '.join(self.groups)} "
                f"alone; give it some rows of {group!r} to take the mean of."
            )
        return self.learn_on  # nothing of a group is used
