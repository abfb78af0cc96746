"""What the classes of a live module say of a tensor whose name leaves open what it is."""

from __future__ import annotations

from .core.parameters import Component
from .core.patterns import search

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# (regex on a class, component, part): asked of the module that owns the tensor, then of those around it, inside out;
# the first row that matches says it. Modules of torch that may be anything, `Linear` and `Sequential`, say nothing.
OWNERS: tuple[tuple[str, Component, str], ...] = (
    (r"^(?:Layer|Batch|Group|RMS|Instance|SyncBatch)Norm|(?:Layer|RMS|Batch|Scale)_?Norm\w*$", Component.NORM, "block"),
    (r"^(?:Lazy)?Conv(?:Transpose)?[123]d$", Component.CONV, "conv"),
    (r"^Embedding(?:Bag)?$", Component.EMBEDDING, "special"),
    (r"^(?:LSTM|GRU|RNN)(?:Cell)?$", Component.RECURRENT, "recurrent"),
    (r"Snake|PReLU|Activation", Component.CONV, "activation"),
    (r"LayerScale", Component.RESIDUAL, "scale"),
    (r"(?:Classif|Predict)\w*|Head$", Component.HEAD, "task"),
    (r"Expert|MoE(?:Block|Layer)?$", Component.MOE, "experts"),
    (r"Attention(?!\w*(?:Layer|Block)$)", Component.ATTENTION, "other"),
    (r"MLP|Mlp|FeedForward|FFN|Mixer$", Component.MLP, "other"),
    (r"Projector|Connector|Merger|Resampler", Component.PROJECTOR, "multimodal"),
    (r"Embed(?:ding|der)?s?(?:Layer)?$", Component.EMBEDDING, "patch_or_feature"),
)


def by_owner(name: str, classes: Mapping[str, str]) -> tuple[Component, str] | None:
    """The component and part of the tensor called `name`; None where no class says it.

    `classes`: path of a module → the name of its class.

    >>> by_owner("stage.0.mix.weight", {"": "Net", "stage.0": "Block", "stage.0.mix": "Conv2d"})
    (<Component.CONV: 'conv'>, 'conv')
    >>> by_owner("stage.0.mix.weight", {"": "Net", "stage.0": "Block", "stage.0.mix": "Linear"})
    """
    path = name
    while path:
        path = path.rpartition(".")[0]
        owner = classes.get(path, "")
        for pattern, component, part in OWNERS if path else ():  # the class of the whole model says nothing of a part
            if search(pattern, owner):
                return component, part
    return None
