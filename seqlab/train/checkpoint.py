"""Small models as files: half precision, written whole or not at all, read with an error that says what is wrong."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from seqlab.train.fit import Model


def save(model: nn.Module, path: Path | str) -> None:
    """Write `model.config`, a dataclass, and the weights: floats as half precision, whole numbers as 16 bits."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    state = {name: value.detach() for name, value in model.state_dict().items()}
    state = {name: value.half() if value.is_floating_point() else value.short() for name, value in state.items()}
    torch.save({"config": asdict(cast(Any, model.config)), "state": state}, fresh)
    fresh.replace(path)


def load(path: Path | str, make: Callable[[dict], Model], what: str) -> Model:
    """The model that `make(config)` makes, with the weights that `save` wrote, ready to be used.

    what: the kind of model, for the message. FileNotFoundError or ValueError say what is wrong with the file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no checkpoint there; train one first, or take the default, which comes with seqlab"
        )
    try:
        stored = torch.load(path, weights_only=True, map_location="cpu")
        model = make(stored["config"])
        whole = {name: v.float() if v.is_floating_point() else v.long() for name, v in stored["state"].items()}
        model.load_state_dict(whole)
    except Exception as error:
        raise ValueError(f"{path}: not a checkpoint of {what} ({type(error).__name__}: {error})") from error
    return model.eval()
