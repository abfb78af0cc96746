"""Compares blueprints with transformers: every class, the default configuration and many others, both forms of names.

    python tools/verify_blueprints.py               every model type that has a blueprint
    python tools/verify_blueprints.py gpt2 bert     these
    python tools/verify_blueprints.py --random 200 --seed 7 mixtral
    python tools/verify_blueprints.py --table       compare what changed, and write the record and docs/architectures*.md

Exit code 1 when a tensor differs. Needs numel (installed, or PYTHONPATH=src), transformers and torch; nothing is
downloaded.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import warnings
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from config_variants import Fields, field_defaults, variants
from numel.blueprints.evaluate import evaluate
from numel.blueprints.library import load, model_types
from numel.core.config import ModelConfig
from numel.errors import NumelError
from transformers_reference import Shapes, built, config_class, head_classes, knows, make_config, truth_of
from variant_rules import NO_HUB_FORM, SENSELESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numel.blueprints.syntax import Blueprint


_SHAPELESS = re.compile(
    r"dropout|_pdrop|_eps|epsilon|initializer|init_std|_act$|activation|_token_i|coef|scal|theta|jitter"
)


class Difference(NamedTuple):
    """One thing that a blueprint has otherwise than transformers."""

    cls: str
    label: str
    what: str
    fields: Fields


def compare(model_type: str, model: Any, fields: Fields, *, hub_up_to: float = math.inf) -> list[str]:
    """What differs between the blueprint and the model that transformers has built of the fields.

    The names of checkpoints are compared for models of up to `hub_up_to` parameters.
    """
    truth = truth_of(model, hub_up_to=hub_up_to)
    architectures = {"architectures": [type(model).__name__]}
    as_saved = make_config(model_type, fields).to_dict() | architectures
    as_given = {"model_type": model_type, **architectures, **fields}
    found = []
    for form, given in (("given", as_given), ("saved", as_saved)):
        try:
            blueprint = load(model_type)
            memory = evaluate(blueprint, ModelConfig(given), in_memory=True)
            hub = evaluate(blueprint, ModelConfig(given))
        except NumelError as error:
            found.append(f"{form}: {error}")
            continue
        found += [f"{form} warning: {warning}" for warning in memory.warnings]
        found += [f"{form} memory: {line}" for line in _shape_differences(truth.memory, memory.tensors)]
        if truth.hub is not None and model_type not in NO_HUB_FORM:
            found += [f"{form} hub: {line}" for line in _shape_differences(truth.hub, hub.tensors)]
        if not found and memory.aliases != truth.tied:
            found.append(f"{form} tied: {sorted(memory.aliases.items() ^ truth.tied.items())[:4]}")
        if not found and memory.buffers != truth.buffers:
            found.append(f"{form} buffers: {sorted(memory.buffers ^ truth.buffers)[:4]}")
        totals = [sum(t.numel for t in e.tensors if t.name not in e.buffers) for e in (memory, hub)]
        if not found and totals[0] != totals[1]:
            found.append(f"{form}: {totals[0]:,} parameters in memory, {totals[1]:,} on the hub")
    return found


def _shape_differences(wanted: Shapes, tensors: Any) -> Iterator[str]:
    ours = {tensor.name: tensor.shape for tensor in tensors}
    for name, n in Counter(tensor.name for tensor in tensors).items():
        if n > 1:
            yield f"{name} {n} times"
    for name in wanted.keys() - ours.keys():
        yield f"missing {name} {wanted[name]}"
    for name in ours.keys() - wanted.keys():
        yield f"too much {name} {ours[name]}"
    for name in ours.keys() & wanted.keys():
        if ours[name] != wanted[name]:
            yield f"{name} is {wanted[name]}, not {ours[name]}"


def _foreign(blueprint: Blueprint) -> Fields:
    """Fields that the blueprint inherits and transformers' class does not declare, with other values than assumed."""
    model_type = blueprint.model_type
    declared = {*field_defaults(model_type), *config_class(model_type).attribute_map, *SENSELESS.get(model_type, ())}
    assumed = {rule.name: rule.value.text for rule in blueprint.rules if rule.name not in declared and rule.value}
    return {name: text == "false" for name, text in assumed.items() if text in ("true", "false")}


def verify(model_type: str, *, n_random: int, seed: int) -> tuple[list[Difference], Counter[str], set[str]]:
    """All differences of a model type, how often what was compared, and the fields that never changed."""
    classes = head_classes(model_type)
    blueprint = load(model_type)
    differences = [
        Difference(name, "-", "the blueprint has no section for it", {})
        for name in classes
        if name.removeprefix(blueprint.class_prefix) not in {*blueprint.sections, "Model"}
    ]
    differences += [
        Difference(blueprint.class_prefix + name, "-", "transformers has no such class", {})
        for name in blueprint.sections
        if name != "model" and blueprint.class_prefix + name not in classes
    ]
    counts: Counter[str] = Counter(classes=len(classes))
    if not classes:  # a part that is built inside another model alone
        return differences, counts, set()
    varied: set[str] = set()
    missing = {difference.cls for difference in differences}
    for label, fields in variants(model_type, Random(seed), n_random, _foreign(blueprint)):
        for name, cls in classes.items():
            if name in missing:
                continue
            model = built(model_type, cls, fields)
            if model is None:
                counts["refused"] += 1
                continue
            counts["compared"] += 1
            varied |= fields.keys()
            differences += [Difference(name, label, what, fields) for what in compare(model_type, model, fields)]
    return differences, counts, {name for name in field_defaults(model_type) if not _SHAPELESS.search(name)} - varied


def main(arguments: list[str]) -> int:
    """Print one line per model type, and the first differences below it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("model_type", nargs="*")
    parser.add_argument("--random", type=int, default=30, metavar="N", help="random configurations per model type")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="bring the record and the tables in docs up to date")
    parser.add_argument("--show", type=int, default=12, metavar="N", help="differences to print per model type")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    if options.table:
        return _table(options)
    failed = []
    for model_type in options.model_type or filter(knows, model_types()):
        config_class(model_type)
        differences, counts, unvaried = verify(model_type, n_random=options.random, seed=options.seed)
        state = f"{len(differences)} DIFFERENCES" if differences else "ok"
        numbers = " ".join(f"{counts[what]:5} {what}" for what in ("classes", "compared", "refused"))
        print(f"{model_type:24} {numbers}  {state}", flush=True)
        for what, n in Counter(d.what for d in differences).most_common(options.show):
            example = next(d for d in differences if d.what == what)
            print(f"    {n:4} × {example.cls} [{example.label}] {what}")
        if unvaried:
            print(f"    never varied: {', '.join(sorted(unvaried))}")
        if differences:
            failed.append(model_type)
            print(f"    e.g. {differences[0].cls} {differences[0].fields}")
    return 1 if failed else 0


def _table(options: argparse.Namespace) -> int:
    """Compare the blueprints that changed since the record was written; then write it and the tables anew."""
    from architecture_table import write
    from verification_record import update

    def compared(model_type: str) -> tuple[list[str], int, int]:
        differences, counts, _ = verify(model_type, n_random=options.random, seed=options.seed)
        print(f"{model_type:24} {counts['compared']:5} compared  {len(differences)} differences", flush=True)
        return list(head_classes(model_type)), counts["compared"], len(differences)

    names = update(compared)
    write()
    print(f"{len(names)} compared")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
