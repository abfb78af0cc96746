"""What a configuration adds to tensors that are really there: ties, buffers and formulas, and where the two disagree."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from .blueprints.evaluate import evaluate
from .blueprints.library import has_blueprint, load
from .core.groups import template_of
from .core.visible import visible
from .errors import ConfigError, Sentence
from .rules import BUFFERS, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .blueprints.evaluate import Evaluation
    from .core.config import ModelConfig
    from .core.formulas import Formula
    from .core.tensors import Inventory

# What a quantisation puts beside its weights: scales, and the order or the shape of what they scale.
_BESIDE_WEIGHTS = re.compile(
    "|".join([p for p, role in ROLES if role == "scale"] + [p for p, part in BUFFERS if part == "index"])
)
_SCALES = (
    ".weight_scale_inv",
    ".weight_scale",
    ".input_scale",
    ".scales",
    ".qzeros",
    ".g_idx",
    ".absmax",
    ".quant_map",
)
_VARIABLE = re.compile(r"\{\w+\}")


class _Match(NamedTuple):
    """An evaluation whose names, with `old` at their beginning replaced by `new`, are those of the source.

    `shapes` are those of its tensors by that name.
    """

    evaluation: Evaluation
    old: str
    new: str
    shapes: dict[str, tuple[int, ...]]

    def renamed(self, name: str) -> str:
        return self.new + name.removeprefix(self.old) if name.startswith(self.old) else name

    def templates(self, formulas: Iterable[Formula]) -> set[str]:
        """What the names of their tensors have in common."""
        return {template_of(self.renamed(_VARIABLE.sub("0", formula.template))) for formula in formulas}


def reconcile(inventory: Inventory, config: ModelConfig | None) -> Inventory:
    """The stored tensors with what the blueprint of `config` says of them.

    Names and shapes stay as they are stored: the file is the truth about what it holds. Where the blueprint describes
    something else, its formulas are not taken over and a warning says what differs.
    """
    if config is None or not has_blueprint(config.model_type or ""):
        return inventory._replace(config=config)
    try:
        match = _best_match(inventory, config)
    except ConfigError as error:  # the weights can be counted without it
        return inventory._replace(
            warnings=(*inventory.warnings, Sentence("the config is not used: {why}", why=error.message))
        )
    if match is None:
        text = Sentence(
            "the config describes a {model_type} and none of the tensors is named like one",
            model_type=visible(config.model_type or "", 60),
        )
        return inventory._replace(config=config, warnings=(*inventory.warnings, text))
    if inventory.flat:
        inventory = _in_shape(inventory, match)
    names = {t.name for t in inventory.tensors}
    aliases = {match.renamed(a): match.renamed(t) for a, t in match.evaluation.aliases.items()}
    buffers = {match.renamed(name) for name in match.evaluation.buffers} & names
    described = match.shapes.keys() | aliases.keys()
    beyond = [t.name for t in inventory.tensors if t.name not in described and not t.name.endswith(_SCALES)]
    differences = _differences(inventory, match, beyond)
    return inventory._replace(
        config=config,
        aliases={**aliases, **inventory.aliases},
        buffers=inventory.buffers | buffers,
        mtp=_ahead(beyond, match),
        formulas=() if differences else match.evaluation.formulas,
        legacy=() if differences else match.evaluation.legacy,
        extra=() if differences else match.evaluation.extra,
        hyperparameters=match.evaluation.values,
        warnings=(*inventory.warnings, *match.evaluation.warnings, *differences),
    )


def _best_match(inventory: Inventory, config: ModelConfig) -> _Match | None:
    """The form of the blueprint that most of the stored names follow; None if none of them does.

    The same weights are found with and without the base model's prefix (`transformer.h.0…` and `h.0…`), and with the
    experts apart, as checkpoints have them, or stacked, as transformers holds them in memory.
    """
    names = {t.name for t in inventory.tensors}
    blueprint = load(config.model_type or "")
    prefix = blueprint.base + "." if blueprint.base else ""
    best, most = None, 0
    for in_memory in (False, True):
        evaluation = evaluate(blueprint, config, in_memory=in_memory)
        own = {tensor.name: tensor.shape for tensor in evaluation.tensors}
        for old, new in dict.fromkeys((("", ""), (prefix, ""), ("", prefix))):
            match = _Match(evaluation, old, new, own)
            if old != new:
                match = match._replace(shapes={match.renamed(name): shape for name, shape in own.items()})
            n_found = len(names & match.shapes.keys())
            if n_found > most:
                best, most = match, n_found
            if n_found == len(own):
                return match
    return best


def _in_shape(inventory: Inventory, match: _Match) -> Inventory:
    """The flat packed weights in the shape that the blueprint gives them, if it has as many elements."""
    tensors, flat = [], set(inventory.flat)
    for tensor in inventory.tensors:
        known = match.shapes.get(tensor.name) if tensor.name in flat else None
        if known is not None and prod(known) == tensor.numel:
            flat.discard(tensor.name)
            tensor = tensor._replace(shape=known)  # noqa: PLW2901
        tensors.append(tensor)
    return inventory._replace(tensors=tuple(tensors), flat=frozenset(flat))


def _ahead(beyond: Iterable[str], match: _Match) -> frozenset[str]:
    """Those of layers for multi-token prediction: the blueprint says how they are named."""
    known = match.templates(match.evaluation.extra)
    return frozenset(name for name in beyond if template_of(name) in known) if known else frozenset()


def _differences(inventory: Inventory, match: _Match, beyond: Iterable[str]) -> tuple[str, ...]:
    """Where blueprint and source disagree, one sentence each; buffers and copies of tied tensors may be there or not."""
    stored = {t.name: t.shape for t in inventory.tensors}
    expected = match.shapes
    buffers = {match.renamed(name) for name in match.evaluation.buffers}
    said = []
    missing = [name for name in expected if name not in stored and name not in buffers]
    if missing:
        said.append(
            Sentence(
                "the config describes {n} tensors that the source does not hold, the first is {missing}",
                n=len(missing),
                missing=visible(missing[0]),
            )
        )
    changed = [name for name, shape in expected.items() if stored.get(name, shape) != shape]
    if changed:
        name = changed[0]
        first = Sentence(
            "{name} is {stored}, not {expected}",
            name=visible(name),
            stored=str(list(stored[name])),
            expected=str(list(expected[name])),
        )
        said.append(
            Sentence(
                "{n} tensors have another shape than the config describes, the first: {first}",
                n=len(changed),
                first=first,
            )
        )
    known = match.templates((*match.evaluation.legacy, *match.evaluation.extra))
    extra = [name for name in beyond if template_of(name) not in known and not _BESIDE_WEIGHTS.search(name)]
    if extra:
        said.append(
            Sentence(
                "the source holds {n} tensors that the config does not describe, the first is {extra}",
                n=len(extra),
                extra=visible(extra[0]),
            )
        )
    return tuple(said)
