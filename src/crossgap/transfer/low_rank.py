"""LoRA: learn a small change of a language model's matrices and leave the matrices alone."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.random import fork_rng

from crossgap.errors import MissingExtraError

__all__ = ["LowRank", "add_low_rank", "merge_low_rank"]


@dataclass(frozen=True, kw_only=True)
class LowRank:
    r"""Which low-rank changes are learned.

    .. math:: W' = W + \frac{\alpha}{r} B A, \qquad A \in R^{r \times in}, \quad B \in R^{out \times r}

    with r the rank. How to read it: B starts at 0, so the model starts unchanged; what is learned is r (in + out)
    numbers a matrix instead of in times out.

    Parameters
    ----------
    rank, alpha, dropout
        As in the formula; dropout acts on what A takes.
    modules
        Ends of the names of the layers that are changed ("q_proj"); None for what peft takes by default for the
        architecture (GPT-2: c_attn; Llama and OPT: q_proj and v_proj).

    Raises
    ------
    ValueError
        If a number is out of its range, or there are no modules.

    References
    ----------
    Hu et al., *LoRA: Low-Rank Adaptation of Large Language Models*, ICLR 2022, arXiv 2106.09685.

    Examples
    --------
    >>> LowRank(rank=4).alpha
    16.0
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    modules: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.rank, bool) or not isinstance(self.rank, int) or self.rank < 1:
            raise ValueError(f"rank must be a whole number of at least 1, but it is {self.rank!r}; 8 is usual.")
        if not self.alpha > 0:
            raise ValueError(f"alpha must be above 0, but it is {self.alpha}; twice the rank is usual.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), but it is {self.dropout}; 0 is none.")
        if self.modules is not None:
            if isinstance(self.modules, str) or not self.modules:
                raise ValueError(
                    f"modules must be a tuple of one name or more, but it is {self.modules!r}; None takes peft's."
                )
            object.__setattr__(self, "modules", tuple(self.modules))


def add_low_rank(model: nn.Module, low_rank: LowRank, *, seed: int = 0) -> None:
    """Put low-rank changes into a model of transformers, in place; they alone require a gradient, in float32.

    Raises
    ------
    MissingExtraError
        If peft is not installed.
    ValueError
        If peft knows no modules of this architecture, or the model has none of those that are given.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise MissingExtraError(
            "LoRA needs peft, which is not installed; install it: pip install 'crossgap[caption]'."
        ) from None
    from transformers.pytorch_utils import Conv1D

    named = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear | Conv1D)}
    modules = low_rank.modules
    chosen = [layer for name, layer in named.items() if modules is None or name.endswith(modules)]
    config = LoraConfig(
        r=low_rank.rank,
        lora_alpha=low_rank.alpha,  # pyright: ignore[reportArgumentType]  a whole number by its type alone
        lora_dropout=low_rank.dropout,
        target_modules=None if modules is None else list(modules),
        fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in chosen),
    )
    try:
        with fork_rng([]):
            torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())  # peft draws from the global one
            inject_adapter_in_model(config, model)
    except ValueError as error:
        ends = sorted({name.rpartition(".")[2] for name in named})
        raise ValueError(
            f"modules of LowRank must name layers of this {type(model).__name__}, but they are {low_rank.modules}; "
            f"choose of {', '.join(ends)}."
        ) from error
    for values in model.parameters():
        if values.requires_grad:
            values.data = values.data.float()


def merge_low_rank(model: nn.Module) -> None:
    """Add the low-rank changes to the matrices, in place, so that a plain model is left."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in list(model.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, layer.get_base_layer())
    if hasattr(model, "peft_config"):
        del model.peft_config
