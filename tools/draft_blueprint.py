"""Drafts a blueprint: builds a class under many configurations and fits each dimension, layer set and condition.

    PYTHONPATH=src python tools/draft_blueprint.py qwen3_moe                    the first causal, masked or bare class
    PYTHONPATH=src python tools/draft_blueprint.py qwen3_moe --extends llama    only what differs from llama
    PYTHONPATH=src python tools/draft_blueprint.py qwen3_moe --hub              names as checkpoints have them

What could not be fitted is written as `?` with the numbers that were seen: a draft is for a person to finish.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
import warnings
from itertools import combinations, product
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from config_variants import field_defaults, valid
from numel.blueprints.evaluate import evaluate
from numel.blueprints.library import load, model_types
from numel.core.config import ModelConfig
from numel.errors import NumelError
from transformers_reference import built, head_classes, make_config, truth_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Index = tuple[int, ...]
Shape = tuple[int, ...]


class Sample(NamedTuple):
    """One built configuration: its fields, and the shapes of each template by the numbers in the name."""

    fields: dict[str, Any]
    values: dict[str, Any]
    templates: dict[str, dict[Index, Shape]]
    buffers: frozenset[str]


class Fit(NamedTuple):
    """What the draft says of one template."""

    template: str
    dims: tuple[str, ...]
    loops: tuple[str, ...]
    conditions: tuple[str, ...]
    is_buffer: bool


def template_of(name: str) -> tuple[str, Index]:
    """A name with its numeric segments taken out, and the numbers."""
    numbers = tuple(int(part) for part in name.split(".") if part.isdigit())
    return ".".join("{}" if part.isdigit() else part for part in name.split(".")), numbers


def sample(model_type: str, cls: Any, *, hub: bool, n: int) -> list[Sample]:
    """`n` configurations that build, with what they hold."""
    samples: list[Sample] = []
    for seed in range(4 * n):
        fields = valid(model_type, Random(seed))
        model = built(model_type, cls, fields) if len(samples) < n else None
        if model is None:
            continue
        config, truth = make_config(model_type, fields), truth_of(model)
        templates: dict[str, dict[Index, Shape]] = {}
        for name, shape in (truth.hub if hub and truth.hub else truth.memory).items():
            template, numbers = template_of(name)
            templates.setdefault(template, {})[numbers] = shape
        values = {name: value for name, value in vars(config).items() if not name.startswith("_")}
        values["num_labels"] = config.num_labels
        buffers = frozenset(template_of(name)[0] for name in truth.buffers)
        samples.append(Sample(fields, values, templates, buffers))
    return samples


def fit_number(seen: list[tuple[dict[str, Any], int]]) -> str:
    """The simplest expression of fields that has every value that was seen, else `?` and some of them."""
    if len({value for _, value in seen}) == 1:
        return str(seen[0][1])
    names = [name for name, value in seen[0][0].items() if all(_is_int(values.get(name)) for values, _ in seen)]
    wanted = [value for _, value in seen]
    columns = {name: [values[name] for values, _ in seen] for name in names}
    for text, numbers in _candidates(columns):
        if numbers == wanted:
            return text
    return f"?{sorted(set(wanted))[:5]}"


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _candidates(columns: dict[str, list[int]]) -> Iterator[tuple[str, list[int]]]:
    """Expressions with their values, the simple ones first."""
    atoms = [(name, numbers) for name, numbers in columns.items() if len(set(numbers)) > 1]
    yield from columns.items()
    for (a, xs), k in product(atoms, (2, 3, 4, 8)):
        yield f"{k} * {a}", [k * x for x in xs]
    for (a, xs), k in product(atoms, (1, 2, -1)):
        yield f"{a} {'+' if k > 0 else '-'} {abs(k)}", [x + k for x in xs]
    pairs = list(combinations(atoms, 2))
    for (a, xs), (b, ys) in pairs:
        yield f"{a} * {b}", [x * y for x, y in zip(xs, ys, strict=True)]
    for (a, xs), (b, ys) in product(atoms, atoms):
        if all(ys):
            yield f"{a} // {b}", [x // y for x, y in zip(xs, ys, strict=True)]
    for (a, xs), (b, ys) in pairs:
        yield f"{a} + {b}", [x + y for x, y in zip(xs, ys, strict=True)]
    for ((a, xs), (b, ys)), k in product(pairs, (2, 3, 4)):
        yield f"{k} * {a} * {b}", [k * x * y for x, y in zip(xs, ys, strict=True)]
    for (a, xs), (b, ys), k in product(atoms, atoms, (2, 3)):
        yield f"{a} + {k} * {b}", [x + k * y for x, y in zip(xs, ys, strict=True)]
    for (a, xs), (b, ys), (c, zs) in product(atoms, atoms, atoms):
        if a < b:
            yield f"({a} + {b}) * {c}", [(x + y) * z for x, y, z in zip(xs, ys, zs, strict=True)]
        yield f"({a} + 2 * {b}) * {c}", [(x + 2 * y) * z for x, y, z in zip(xs, ys, zs, strict=True)]
        if all(zs):
            yield f"{a} * ({b} // {c})", [x * (y // z) for x, y, z in zip(xs, ys, zs, strict=True)]
    for (a, xs), (b, ys), (c, zs) in combinations(atoms, 3):
        yield f"{a} * {b} * {c}", [x * y * z for x, y, z in zip(xs, ys, zs, strict=True)]


def fit_condition(seen: list[tuple[dict[str, Any], bool]]) -> str:
    """The test of one field that holds exactly where the template was there, else `?`."""
    if all(there for _, there in seen):
        return ""
    names = list(seen[0][0])
    tests: list[tuple[str, Callable[[Any], bool]]] = [("{}", bool), ("not {}", lambda v: not v)]
    tests += [("{} is not null", lambda v: v is not None), ("{} > 0", lambda v: _is_int(v) and v > 0)]
    tests += [("{} > 1", lambda v: _is_int(v) and v > 1)]
    for text, test in tests:
        for name in names:
            if all(test(values.get(name)) is there for values, there in seen):
                return text.format(name)
    for name in names:
        here = {values.get(name) for values, there in seen if there and isinstance(values.get(name), str)}
        gone = {values.get(name) for values, there in seen if not there and isinstance(values.get(name), str)}
        if here and not here & gone and gone:
            return f'{name} == "{here.pop()}"' if len(here) == 1 else f"{name} in {sorted(here)}".replace("'", '"')
    return "?"


def fit_layers(seen: list[tuple[dict[str, Any], set[int]]]) -> tuple[str, str]:
    """The bound of a loop and the test that chooses among its numbers."""
    full = [(values, max(numbers) + 1) for values, numbers in seen if numbers]
    if all(numbers == set(range(n)) for (_, numbers), (_, n) in zip([s for s in seen if s[1]], full, strict=True)):
        bound = fit_number(full)
        if "?" not in bound:
            return bound, ""
    stacks = [n for n in ("num_hidden_layers", "n_layer", "num_layers", "n_layers") if n in seen[0][0]]
    for stack in stacks:
        for text, test in _layer_tests(seen):
            if all({i for i in range(values[stack]) if test(values, i)} == numbers for values, numbers in seen):
                return stack, text
    return stacks[0] if stacks else "?", f"? {[sorted(numbers) for _, numbers in seen][:3]}"


def _layer_tests(
    seen: list[tuple[dict[str, Any], set[int]]],
) -> Iterator[tuple[str, Callable[[dict[str, Any], int], bool]]]:
    for name in seen[0][0]:
        column = [values.get(name) for values, _ in seen]
        if all(_is_int(value) for value in column):
            yield f"layer < {name}", lambda v, i, n=name: i < v[n]
            yield f"layer >= {name}", lambda v, i, n=name: i >= v[n]
            if all(value for value in column):
                yield f"layer % {name} == 0", lambda v, i, n=name: i % v[n] == 0
                yield f"(layer + 1) % {name} == 0", lambda v, i, n=name: (i + 1) % v[n] == 0
                yield f"(layer + 1) % {name} > 0", lambda v, i, n=name: (i + 1) % v[n] > 0
        elif all(isinstance(value, (list, tuple)) for value in column):
            items = {item for value in column for item in value if isinstance(item, (str, int, bool))}
            for item in sorted(items, key=str):
                shown = f'"{item}"' if isinstance(item, str) else str(item).lower()
                yield f"{name}[layer] == {shown}", lambda v, i, n=name, x=item: i < len(v[n]) and v[n][i] == x
            yield f"layer in {name}", lambda v, i, n=name: i in v[n]
            yield f"layer not in {name}", lambda v, i, n=name: i not in v[n]


def fit(template: str, samples: list[Sample]) -> Fit:
    """Everything that the samples say of one template."""
    there = [s for s in samples if template in s.templates]
    depth = template.count("{}")
    variables = [("layer", "expert", "i", "j")[k] for k in range(depth)]
    loops, conditions = [], []
    condition = fit_condition([(s.values, template in s.templates) for s in samples])
    for k, variable in enumerate(variables):
        usable = there if condition and "?" not in condition else samples if k == 0 else there
        seen = [(s.values, {numbers[k] for numbers in s.templates.get(template, {})}) for s in usable]
        bound, test = fit_layers(seen)
        loops.append(f"{variable} < {bound}")
        if test:
            conditions.append(test)
            condition = "" if condition == "?" else condition
    if condition:
        conditions.insert(0, condition)
    shapes = [(s.values, shape) for s in there for shape in set(s.templates[template].values())]
    dims = tuple(fit_number([(values, shape[d]) for values, shape in shapes]) for d in range(len(shapes[0][1])))
    name = template
    for variable in variables:
        name = name.replace("{}", "{" + variable + "}", 1)
    return Fit(name, dims, tuple(loops), tuple(conditions), any(template in s.buffers for s in samples))


def lines_of(fits: list[Fit]) -> Iterator[str]:
    """The draft's lines: a bias joined to its linear map, names written in full."""
    by_name = {f.template: f for f in fits}
    for f in fits:
        stem = f.template.removesuffix(".weight").removesuffix(".bias")
        weight, bias = by_name.get(stem + ".weight"), by_name.get(stem + ".bias")
        name, shape, more = f.template, ", ".join(f.dims) or "()", list(f.conditions)
        if f is bias and weight and _is_linear(weight):
            continue
        if _is_linear(f):
            name, shape = stem, f"{f.dims[1]} -> {f.dims[0]}"
            if bias:
                extra = [c for c in bias.conditions if c not in f.conditions]
                shape += "    bias" + (f" if {' and '.join(extra)}" if extra else "")
        elif f is bias and weight and weight.dims == f.dims:
            continue
        elif f is weight and bias and weight.dims == bias.dims:
            name = stem + ".{weight, bias}"
        loops = "".join(f" for {loop}" for loop in f.loops)
        tail = (f"    if {' and '.join(more)}" if more else "") + ("    buffer" if f.is_buffer else "")
        yield f"    {name}{loops}    {shape}{tail}"


def _is_linear(f: Fit) -> bool:
    return f.template.endswith(".weight") and len(f.dims) == 2 and "embed" not in f.template.rsplit(".", 2)[-2]


def nearest(samples: list[Sample]) -> list[tuple[float, str]]:
    """The blueprints that already have most of the tensors, best first: the share of (name, shape) pairs in common."""
    scores = []
    for model_type in model_types():
        shares = [_common_share(model_type, s) for s in samples[:4]]
        scores.append((sum(shares) / len(shares), model_type))
    return sorted(scores, reverse=True)


def _common_share(model_type: str, s: Sample) -> float:
    wanted = {(t, i, shape) for t, by_index in s.templates.items() for i, shape in by_index.items()}
    ours = _evaluated(model_type, s)
    return len(wanted & ours) / max(1, len(wanted | ours))


def _evaluated(model_type: str, s: Sample) -> set[tuple[str, Index, Shape]]:
    try:
        found = evaluate(load(model_type), ModelConfig({**s.values, "architectures": None}), in_memory=True)
    except NumelError:
        return set()
    return {(*template_of(t.name), t.shape) for t in found.tensors}


def differing(parent: str, samples: list[Sample], templates: Iterable[str]) -> tuple[list[str], list[str]]:
    """The templates that the parent has otherwise or not at all, and those that only the parent has."""
    ours = [_evaluated(parent, s) for s in samples]
    kept = []
    for template in templates:
        same = all(
            {(i, shape) for t, i, shape in found if t == template} == set(s.templates.get(template, {}).items())
            for found, s in zip(ours, samples, strict=True)
        )
        if not same:
            kept.append(template)
    surplus = {t for found in ours for t, _, _ in found} - {t for s in samples for t in s.templates}
    return kept, sorted(surplus)


def main(arguments: list[str]) -> int:
    """Print the draft."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("model_type")
    parser.add_argument("--cls", help="the class to fit")
    parser.add_argument("--extends", metavar="TYPE", help="write what differs from this blueprint; `none` for all")
    parser.add_argument("--hub", action="store_true", help="fit the names of checkpoints")
    parser.add_argument("--samples", type=int, default=16)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    classes = head_classes(options.model_type)
    chosen = options.cls or next(
        (n for n in classes if n.endswith(("ForCausalLM", "LMHeadModel"))), next(iter(classes))
    )
    samples = sample(options.model_type, classes[chosen], hub=options.hub, n=options.samples)
    if not samples:
        print(f"no configuration of {chosen} builds: see tools/variant_rules.py", file=sys.stderr)
        return 1
    templates = list(dict.fromkeys(t for s in samples for t in s.templates))
    print(f"# {', '.join(classes)}")
    print(f"# fitted on {len(samples)} configurations of {chosen}")
    ranked = nearest(samples)[:4]
    print(f"# nearest: {', '.join(f'{name} {share:.0%}' for share, name in ranked)}")
    parent = options.extends or (ranked[0][1] if ranked and ranked[0][0] > 0.5 else "none")
    if parent != "none":
        templates, surplus = differing(parent, samples, templates)
        print(f"\nextends  {parent}")
        print("".join(f"\n# only in {parent}: {template}" for template in surplus))
    fits = [fit(template, samples) for template in templates]
    print("\nconfig")
    text = " ".join(" ".join((*f.dims, *f.loops, *f.conditions)) for f in fits)
    assumed = {rule.name: rule.value.text for rule in load(parent).rules if rule.value} if parent != "none" else {}
    for name, default in field_defaults(options.model_type).items():
        is_known = assumed.get(name) == _shown(default)
        if not is_known and (name in assumed or re.search(rf"\b{name}\b", text)):
            print(f"    {name} = {_shown(default)}")
    print("\nmodel")
    print("\n".join(lines_of(fits)))
    return 0


def _shown(value: object) -> str:
    if dataclasses.is_dataclass(value):
        return "{}"
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else repr(value)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
