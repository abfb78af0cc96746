"""What does one tool count in GPT-2 small, medium, large and xl? Asked of the tool's own function, answered as JSON.

    python benchmarks/probes.py module | loaded FOLDER | accelerate | hub-local FOLDER | hub-remote

peers.py runs each of these in a process of its own. The answer: {tool: {size: {"numel": …, "parts": what the tool says
of the model's parts}}}.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from published import SIZES, Size

if TYPE_CHECKING:
    from collections.abc import Callable

Answer: TypeAlias = dict[str, Any]


def module() -> dict[str, dict[str, Answer]]:
    """Each tool that takes a module, on transformers' own, made on the meta device."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    def make(size: Size) -> Any:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(AutoConfig.for_model(**size.config))

    return _ask_each(make)


def loaded(folder: Path) -> dict[str, dict[str, Answer]]:
    """The same tools, on what transformers makes of the published file (again on meta: it reads all, keeps nothing)."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    return _ask_each(lambda size: AutoModelForCausalLM.from_pretrained(folder / size.name, device_map="meta"))


def _ask_each(make: Callable[[Size], Any]) -> dict[str, dict[str, Answer]]:
    tools = {
        "transformers `num_parameters()`": _transformers,
        "torchinfo `summary`": _torchinfo,
        "fvcore `parameter_count`": _fvcore,
        "numel `inspect(module)`": _numel,
    }
    answers: dict[str, dict[str, Answer]] = {tool: {} for tool in tools}
    for size in SIZES:
        model = make(size)
        for tool, ask in tools.items():
            try:
                answers[tool][size.name] = ask(model)
            except Exception as error:  # noqa: BLE001 - a tool that fails is a row of the table, not the end of it
                answers[tool][size.name] = {"numel": None, "parts": f"{type(error).__name__}: {error}"}
    return answers


def _transformers(model: Any) -> Answer:
    return {"numel": model.num_parameters(), "parts": "one number"}


def _torchinfo(model: Any) -> Answer:
    from torchinfo import summary

    answer = summary(model, verbose=0, depth=5)
    classes = Counter(layer.class_name for layer in answer.summary_list)
    shown = ", ".join(
        f"{n} × `{name}`" for name, n in classes.items() if "Attention" in name or "MLP" in name or "Norm" in name
    )
    return {
        "numel": answer.total_params,
        "parts": f"a tree of {sum(classes.values())} modules ({shown}), no sums by kind",
    }


def _fvcore(model: Any) -> Answer:
    from fvcore.nn import parameter_count

    answer = parameter_count(model)
    shown = {name: answer[name] for name in ("transformer.h.0.attn", "transformer.h.0.mlp")}
    lines = ", ".join(f"`{name}` {n:,}" for name, n in shown.items())
    return {"numel": answer[""], "parts": f"a dict of {len(answer)} module and tensor names ({lines}), no sums by kind"}


def _numel(model: Any) -> Answer:
    import numel

    found = numel.inspect(model)
    groups = found.by("component").to_dicts()
    return {"numel": found.total, "parts": ", ".join(f"{g['component']} {g['numel']:,}" for g in groups)}


def accelerate() -> dict[str, dict[str, Answer]]:
    """The bytes behind the rounded figure of `accelerate estimate-memory`, by the two functions that it calls."""
    from accelerate.commands.estimate import create_empty_model
    from accelerate.utils import calculate_maximum_sizes, convert_bytes

    answers = {}
    for size in SIZES:
        nbytes, (largest, layers) = calculate_maximum_sizes(create_empty_model(size.repository, "transformers"))
        parts = f"the largest layer, `{layers[0]}`, {convert_bytes(largest)}"
        answers[size.name] = {"numel": nbytes // 4, "nbytes": nbytes, "printed": convert_bytes(nbytes), "parts": parts}
    return {"accelerate": answers}


def hub_local(folder: Path) -> dict[str, dict[str, Answer]]:
    """The header of the file on this disk."""
    from huggingface_hub import get_local_safetensors_metadata

    return {
        "huggingface_hub": {size.name: _dtypes(get_local_safetensors_metadata(folder / size.name)) for size in SIZES}
    }


def hub_remote() -> dict[str, dict[str, Answer]]:
    """The header of the file in a repository, by ranged requests to HF_ENDPOINT."""
    from huggingface_hub import get_safetensors_metadata

    return {"huggingface_hub": {size.name: _dtypes(get_safetensors_metadata(size.repository)) for size in SIZES}}


def _dtypes(metadata: Any) -> Answer:
    by_dtype = metadata.parameter_count
    names = len(metadata.weight_map)
    shown = ", ".join(f"{dtype}: {n:,}" for dtype, n in by_dtype.items())
    return {"numel": sum(by_dtype.values()), "parts": f"`parameter_count` by dtype ({shown}), {names} tensor names"}


def main() -> None:
    probes: dict[str, Callable[..., dict[str, dict[str, Answer]]]] = {
        "module": module,
        "loaded": loaded,
        "accelerate": accelerate,
        "hub-local": hub_local,
        "hub-remote": hub_remote,
    }
    name, *folders = sys.argv[1:]
    answers = probes[name](*(Path(folder) for folder in folders))
    sys.stdout.write(f"\n{json.dumps(answers)}\n")  # the last line; a tool may have printed others


if __name__ == "__main__":
    main()
