"""How much memory does a model take, to answer and to be trained, and how long a context is there room for?"""

from __future__ import annotations

import re

from ..core.kinds import kinds_of
from ..core.parameters import Component
from ..core.records import NamedTuple
from ..errors import Sentence, UsageError
from .setting import nbytes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .devices import Device
    from .estimate import Estimate

# vLLM takes this share of a GPU by default (gpu_memory_utilization); the rest is for the driver and for fragments.
USABLE = 0.9
LONGEST = 1 << 40  # tokens: no context is longer


class Training(NamedTuple):
    """Bytes on each of `n_devices` for a step of mixed-precision Adam or AdamW.

    Of each parameter 2 bytes of weight, 2 of gradient, and 12 of optimizer: a float32 copy and two moments (Rajbhandari
    et al. 2020, ZeRO, arXiv 1910.02054, section 3.1). ZeRO 1 shares the optimizer out, 2 the gradients too, 3 all.
    `usable`: for what there is room in one device, None without one.
    """

    stage: int
    n_devices: int
    weights: int
    gradients: int
    optimizer: int
    usable: int | None = None

    @property
    def total(self) -> int:
        """All three."""
        return self.weights + self.gradients + self.optimizer

    @property
    def fits(self) -> bool | None:
        """Whether these states alone fit in a device, None without one."""
        return None if self.usable is None else self.total <= self.usable


def training(numel: int, stage: int, n_devices: int) -> Training:
    """The states of `numel` parameters. Raises UsageError for a stage that ZeRO does not have.

    >>> training(7_500_000_000, 2, 64).total  # figure 1 of the paper says 16.6 GB
    16640625000
    """
    if stage not in (0, 1, 2, 3):
        message = Sentence("--zero {stage}: ZeRO has the stages 1, 2 and 3; 0 shares nothing", stage=str(stage))
        raise UsageError(message)

    def share(nbytes: int, first: int) -> int:
        return -(-nbytes * numel // n_devices) if stage >= first else nbytes * numel

    return Training(stage, n_devices, share(2, 3), share(2, 2), share(12, 1))


class Memory(NamedTuple):
    """Bytes that answering takes: weights, the cache as reserved for the context, the activations of a prompt."""

    weights: int
    cache: int
    activations: int

    @property
    def total(self) -> int:
        """All three."""
        return self.weights + self.cache + self.activations


def memory(estimate: Estimate) -> Memory:
    """What the setting needs, whatever the device."""
    return Memory(estimate.total("weight_nbytes"), estimate.total("reserved_nbytes"), activations(estimate))


def activations(estimate: Estimate) -> int:
    """At the widest place of a layer: the residual stream, what is added to it, and twice the widest output of a matrix.

    Twice, since a gate stands beside it or its activation behind it. Scores are never held as a whole (FlashAttention), and
    logits for one position of each sequence alone.
    """
    return _activations_of(estimate)(estimate.setting.context)


def _activations_of(estimate: Estimate) -> Callable[[int], int]:
    """How the bytes of activations follow from the context, which is tried many times."""
    setting, picture, notes = estimate.setting, estimate.picture, estimate.family.notes
    if notes is not None and notes.reads in (
        "picture",
        "sound",
    ):  # which may have more vectors in one layer than in another
        stream, most, n = 2 * setting.batch * estimate.d_model, 2 * estimate.most_written, setting.context
        return lambda context: nbytes_of(estimate.worked, context * stream + -(-context * most // n))
    works_on_text = picture is None or not picture.is_alone
    widest, vocabulary = _widths(estimate, estimate.d_model, {"vision"} if works_on_text else set())
    seen = 0
    if picture is not None and works_on_text:  # a tower beside the text, one after the other
        widest_seen, _ = _widths(
            estimate, picture.d_model, {row.tower for row, _ in kinds_of(estimate.table)} - {"vision"}
        )
        seen = setting.batch * picture.n_tokens * (2 * picture.d_model + 2 * widest_seen)
    per_token = setting.batch * (2 * estimate.d_model + 2 * widest)
    # Decoding naively, each layer expands the latents of its whole cache into keys and values.
    widths = [a.latent.width for a in estimate.attentions if a.latent is not None]
    expanded = max(widths, default=0) if setting.phase == "decode" and setting.latent == "naive" else 0
    heard = [a.length or 0 for a in estimate.attentions if works_on_text and a.tower != "vision"]

    def nbytes(context: int) -> int:
        new = 1 if setting.phase == "decode" else max([context, *heard])
        made = setting.batch * (vocabulary + context * expanded)
        return nbytes_of(estimate.worked, max(new * per_token + made, seen))

    return nbytes


# Components of layers; parts that make what is gated and its gate in one product; and how one expert is called.
_IN_LAYERS = frozenset(
    {Component.ATTENTION, Component.LINEAR_ATTENTION, Component.SSM, Component.RECURRENT, Component.MLP, Component.MOE}
)
_WITH_GATE = frozenset({"gate_up", "in_proj"})
_ONE_EXPERT = re.compile(r"experts?[._]\d+")


def _widths(estimate: Estimate, d_model: int, idle: set[str]) -> tuple[int, int]:
    """The most that a matrix makes of one token (routed experts: all that the token passes through), and the vocabulary."""
    widest = expert = vocabulary = 0
    n_experts, used = estimate.n_experts or (1, 1)
    for row, _ in kinds_of(estimate.table):
        shape = row.tensor.shape
        if row.excluded is not None or row.role != "weight" or len(shape) not in (2, 3) or row.tower in idle:
            continue
        width = _outside(shape, d_model)
        if row.part in ("token", "lm_head"):
            vocabulary = max(vocabulary, width)
        elif row.component is Component.MOE and row.part == "experts":
            is_all = len(shape) == 2 and not _ONE_EXPERT.search(row.tensor.name)
            width = width // n_experts if is_all else width
            expert = min(expert or width, width)  # what makes gates in the same product is wider than what comes behind
        elif row.component in _IN_LAYERS:
            widest = max(widest, width // 2 if row.part in _WITH_GATE else width)
    return max(widest, expert * used), vocabulary


def _outside(shape: Sequence[int], d_model: int) -> int:
    """The side of a matrix that is not the stream's; of one between two other widths the longer."""
    sides = list(shape[-2:])
    if d_model in sides:
        sides.remove(d_model)
    return max(sides)


class Fit(NamedTuple):
    """Whether the setting fits on the devices, and the longest context that does, None when not even one token does.

    `is_capped`: the model's positions end before the memory does.
    """

    device: Device
    usable: int
    needed: int
    fits: bool
    longest: int | None
    is_capped: bool


def fit(estimate: Estimate, device: Device) -> Fit:
    """How the model stands to the device. A prompt's activations grow with the context that is tried."""
    need = memory(estimate)
    usable = usable_of(device.all_nbytes)
    longest = _longest(estimate, usable - need.weights, estimate.n_positions or LONGEST)
    return Fit(device, usable, need.total, need.total <= usable, longest, longest == estimate.n_positions)


def usable_of(nbytes: int) -> int:
    """What there is room for in so many bytes of memory."""
    return int(nbytes * USABLE)


def _longest(estimate: Estimate, free: int, most: int) -> int | None:
    """The longest context whose cache and activations take no more than `free` bytes."""
    activations_of = _activations_of(estimate)
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if estimate.cache_nbytes(middle) + activations_of(middle) <= free:
            low = middle
        else:
            high = middle - 1
    return low or None
