"""What runs? A module made by transformers: of a configuration with random weights, or loaded from a local folder.

Nothing is downloaded, and code that lies beside a model or that a configuration points to (trust_remote_code) is never run.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from ..core.visible import visible, visible_path
from ..errors import Sentence, UnsupportedError, UsageError
from .built import check_repeats, class_of, quietly_offline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..core.config import ModelConfig

VERSION = transformers.__version__
_MAX_SHOWN = 120
_TORCH = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tokenizer_config.json")


def device_of(name: str) -> torch.device:
    """The device called `name`: "cpu", "cuda" or "cuda:1". Raises UsageError for others, and for one that is not here."""
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        message = Sentence("--device {name}: a model runs on cpu or cuda", name=visible(name, 40))
        hint = Sentence("without --measure, --device names one of the devices of the estimate")
        raise UsageError(message, hint=hint)
    n_devices = torch.cuda.device_count() if kind == "cuda" and torch.cuda.is_available() else 0
    if kind == "cuda" and int(number or 0) >= n_devices:
        message = Sentence("--device {name}: torch {version} sees {n} such devices", name=name, version=torch.__version__,
                           n=n_devices)  # fmt: skip
        raise UsageError(message, hint=Sentence("give {option}", option="--device cpu"))
    return torch.device(name)


def dtype_of(name: str) -> torch.dtype:
    """torch's own of the element type. Raises UsageError for one in which models do not run."""
    found = _TORCH.get(name)
    if found is None:
        message = Sentence("a model runs in F32, BF16 or F16, and not in {dtype}", dtype=visible(name, 40))
        raise UsageError(message, hint=Sentence("give {option}", option="--dtype bf16"))
    return found


def free_nbytes(device: torch.device) -> int | None:
    """Bytes of memory that are free there now; None where nobody says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None


def made(config: ModelConfig, *, dtype: torch.dtype, device: torch.device) -> Any:
    """The module of the configuration, its weights random. Raises UnsupportedError where transformers makes none."""
    model_type = str(config.model_type)
    check_repeats(config.fields, config.path)
    with quietly_offline(), torch.random.fork_rng():
        try:
            torch.manual_seed(0)
            fields = CONFIG_MAPPING[model_type].from_dict(dict(config.fields))
            cls = class_of(model_type, config.architecture)
            with device:
                return cls._from_config(fields, dtype=dtype).eval()
        except Exception as error:  # whatever a class raises at numbers that it cannot use
            message = Sentence(
                "transformers {version} builds no {model_type} from this config: {why}",
                version=transformers.__version__, model_type=visible(model_type, 60), why=_said(error),
            )  # fmt: skip
            raise UnsupportedError(message, path=config.path) from error


def loaded(folder: str, config: ModelConfig, *, dtype: torch.dtype, device: torch.device) -> Any:
    """The module that the folder holds. Raises UnsupportedError where transformers cannot load it."""
    return _load(folder, class_of_config(config, folder), dtype=dtype, device=device)


def class_of_config(config: ModelConfig, folder: str) -> Any:
    """The class of transformers that the configuration names, or else the usual one."""
    try:
        return class_of(str(config.model_type), config.architecture)
    except LookupError as error:
        message = Sentence(
            "transformers {version} has no class for model_type '{model_type}'",
            version=transformers.__version__, model_type=visible(str(config.model_type), 60),
        )  # fmt: skip
        raise UnsupportedError(message, path=visible_path(folder, _MAX_SHOWN)) from error


def check_causal_lm(config: ModelConfig, folder: str) -> None:
    """Raises UnsupportedError where the configuration is not that of a model that predicts the next token."""
    usual = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(str(config.model_type))
    asked = config.architecture
    known = {name for names in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
             for name in ((names,) if isinstance(names, str) else names)}  # fmt: skip
    if usual is None or (asked is not None and asked not in known):
        shown = visible(str(asked or config.model_type), 60)
        message = Sentence("{name} is not a causal language model of transformers {version}", name=shown,
                           version=transformers.__version__)  # fmt: skip
        hint = Sentence("a causal language model predicts the next token, such as GPT2LMHeadModel")
        raise UnsupportedError(message, path=visible_path(folder, _MAX_SHOWN), hint=hint)


def loaded_causal_lm(folder: str, *, dtype: torch.dtype, device: torch.device) -> Any:
    """The model that predicts the next token, as the folder holds it."""
    return _load(folder, transformers.AutoModelForCausalLM, dtype=dtype, device=device)


@contextmanager
def _without_bars() -> Iterator[None]:
    """No bar of transformers' own where nobody watches it."""
    was_shown = transformers.utils.logging.is_progress_bar_enabled()
    if not sys.stderr.isatty():
        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if was_shown:
            transformers.utils.logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _load(folder: str, cls: Any, *, dtype: torch.dtype, device: torch.device) -> Any:
    with quietly_offline(), _without_bars():
        try:
            module, said = cls.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, dtype=dtype, output_loading_info=True
            )
        except Exception as error:  # whatever a class raises at files that it cannot use
            message = Sentence("transformers {version} does not load it: {why}", version=transformers.__version__,
                               why=_said(error))  # fmt: skip
            raise UnsupportedError(message, path=visible_path(folder, _MAX_SHOWN)) from error
    missing = sorted(said.get("missing_keys") or ())
    if missing:
        message = Sentence("{name} is not in its files, and would be random", name=visible(str(missing[0]), 80))
        hint = Sentence("save the model with the class that is run")
        raise UnsupportedError(message, path=visible_path(folder, _MAX_SHOWN), hint=hint)
    return module.to(device).eval()


def tokens_of(folder: str, text: str) -> Sequence[int]:
    """The text as the folder's own tokenizer reads it. Raises UnsupportedError where there is none that loads."""
    shown = visible_path(folder, _MAX_SHOWN)
    hint = Sentence("save it there: tokenizer.save_pretrained(folder)")
    if not any(os.path.exists(os.path.join(folder, name)) for name in _TOKENIZERS):
        message = Sentence("the folder holds no tokenizer")
        raise UnsupportedError(message, path=shown, hint=hint)
    with quietly_offline():
        try:
            reader = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            ids: list[int] = reader(text, verbose=False)["input_ids"]
        except Exception as error:
            message = Sentence("its tokenizer does not load: {why}", why=_said(error))
            raise UnsupportedError(message, path=shown, hint=hint) from error
    return ids


def _said(error: Exception) -> str:
    return visible(" ".join(str(error).split()), 160)
