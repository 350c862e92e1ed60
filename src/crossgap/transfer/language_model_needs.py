"""What a prefix of embeddings needs of a language model, checked before anything is trained."""

from inspect import signature
from typing import Any

import torch

__all__ = ["check_causal", "forward_takes", "places"]


def forward_takes(model: Any) -> frozenset[str]:
    """Return what a model can be given by name.

    Raises
    ------
    ValueError
        If embeddings or a kept past are not among it.
    """
    names = frozenset(signature(model.forward).parameters)
    lacking = sorted({"inputs_embeds", "past_key_values"} - names)
    if lacking:
        raise ValueError(
            f"language_model must take inputs_embeds and past_key_values, but a {type(model).__name__} takes no "
            f"{lacking[0]}; give a GPT-2, a Llama, an OPT or the like."
        )
    return names


def places(model: Any) -> int | None:
    """Return how many inputs a model can take at most; None where its configuration says nothing of it."""
    found = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None


def check_causal(model: Any) -> None:
    """Fail if what is told of the first token depends on the second: its gradient there must be exactly 0.

    Raises
    ------
    ValueError
        If it does. Such a model (a BERT) would read its targets in training and could not write.
    """
    training = model.training
    model.eval()
    with torch.inference_mode(False), torch.enable_grad():
        given = model.get_input_embeddings().weight.detach()[:2].clone()[None].requires_grad_()
        told = model(inputs_embeds=given, attention_mask=given.new_ones(1, 2).long(), use_cache=False).logits[0, 0]
        (effect,) = torch.autograd.grad(told.float().square().sum(), given)
    model.train(training)
    if bool(effect[0, 1].any()):
        raise ValueError(
            f"language_model must be causal, but in this {type(model).__name__} a token depends on later ones; give a "
            f"GPT-2 or the like."
        )
