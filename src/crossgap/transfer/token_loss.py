"""The objective of every decoder of captions."""

from torch import Tensor, nn

__all__ = ["IGNORED", "token_loss"]

IGNORED = -100


def token_loss(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    r"""Mean cross-entropy of the next token.

    .. math:: L = -\frac{1}{|T|} \sum_{(i, t) \in T} \log p_{it}(y_{it})

    How to read it: in nats; 0 where every token is certain and right, ln V where nothing is known of V tokens. It
    says nothing of the caption as a whole.

    Parameters
    ----------
    logits
        (..., V).
    targets
        (...) whole numbers; -100 is left out (padding).
    label_smoothing
        Share of each target spread over all tokens; DeCap takes 0.1.

    Notes
    -----
    The end of a caption is a token of its own and is learned. C3's code leaves out token 0, which is "!" and the
    padding at once, and learns no end at all (erratum 21).

    References
    ----------
    Mokady et al., *ClipCap*, arXiv 2111.09734, equation 2.

    Examples
    --------
    >>> import torch
    >>> round(float(token_loss(torch.zeros(1, 2, 4), torch.tensor([[3, -100]]))), 4)  # ln 4
    1.3863
    """
    return nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(),
        targets.flatten(),
        ignore_index=IGNORED,
        label_smoothing=label_smoothing,
    )
