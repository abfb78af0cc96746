"""What a configuration adds to tensors that are really there: ties, buffers and formulas, and where the two disagree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .blueprints.evaluate import evaluate
from .blueprints.library import has_blueprint, load
from .core.groups import template_of
from .core.visible import visible
from .errors import ConfigError, Sentence
from .rules import BUFFERS, ROLES

if TYPE_CHECKING:
    from .blueprints.evaluate import Evaluation
    from .core.config import ModelConfig
    from .core.tensors import Inventory

# What a quantisation puts beside its weights: scales, and the order or the shape of what they scale.
_BESIDE_WEIGHTS = re.compile(
    "|".join([p for p, role in ROLES if role == "scale"] + [p for p, part in BUFFERS if part == "index"])
)
_VARIABLE = re.compile(r"\{\w+\}")


class _Match(NamedTuple):
    """An evaluation whose names, with `old` at their beginning replaced by `new`, are those of the source."""

    evaluation: Evaluation
    old: str
    new: str
    n_found: int

    def renamed(self, name: str) -> str:
        return self.new + name.removeprefix(self.old) if name.startswith(self.old) else name


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
    differences = _differences(inventory, match, aliases)
    return inventory._replace(
        config=config,
        aliases={**aliases, **inventory.aliases},
        buffers=inventory.buffers | buffers,
        mtp=_ahead(inventory, match),
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
    best: _Match | None = None
    for in_memory in (False, True):
        evaluation = evaluate(blueprint, config, in_memory=in_memory)
        for old, new in dict.fromkeys((("", ""), (prefix, ""), ("", prefix))):
            match = _Match(evaluation, old, new, 0)
            n_found = sum(match.renamed(t.name) in names for t in evaluation.tensors)
            if n_found > (best.n_found if best else 0):
                best = match._replace(n_found=n_found)
            if best and best.n_found == len(evaluation.tensors):
                return best
    return best


def _in_shape(inventory: Inventory, match: _Match) -> Inventory:
    """The flat packed weights in the shape that the blueprint gives them, if it has as many elements."""
    expected = {match.renamed(tensor.name): tensor for tensor in match.evaluation.tensors}
    tensors, flat = [], set(inventory.flat)
    for tensor in inventory.tensors:
        known = expected.get(tensor.name) if tensor.name in flat else None
        if known is not None and known.numel == tensor.numel:
            flat.discard(tensor.name)
            tensor = tensor._replace(shape=known.shape)  # noqa: PLW2901
        tensors.append(tensor)
    return inventory._replace(tensors=tuple(tensors), flat=frozenset(flat))


def _ahead(inventory: Inventory, match: _Match) -> frozenset[str]:
    """The stored tensors of layers for multi-token prediction: beyond the model, and named as the blueprint says."""
    if not match.evaluation.extra:
        return frozenset()
    known = {template_of(match.renamed(_VARIABLE.sub("0", formula.template))) for formula in match.evaluation.extra}
    described = {match.renamed(tensor.name) for tensor in match.evaluation.tensors}
    return frozenset(t.name for t in inventory.tensors if t.name not in described and template_of(t.name) in known)


def _differences(inventory: Inventory, match: _Match, aliases: dict[str, str]) -> tuple[str, ...]:
    """Where blueprint and source disagree, one sentence each; buffers and copies of tied tensors may be there or not."""
    stored = {t.name: t.shape for t in inventory.tensors}
    expected = {match.renamed(t.name): t.shape for t in match.evaluation.tensors}
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
    old = {match.renamed(_VARIABLE.sub("0", f.template)) for f in (*match.evaluation.legacy, *match.evaluation.extra)}
    known = {template_of(name) for name in old}
    extra = [n for n in stored if n not in expected and n not in aliases and template_of(n) not in known]
    extra = [n for n in extra if not _BESIDE_WEIGHTS.search(n)] if extra else []
    if extra:
        said.append(
            Sentence(
                "the source holds {n} tensors that the config does not describe, the first is {extra}",
                n=len(extra),
                extra=visible(extra[0]),
            )
        )
    return tuple(said)
