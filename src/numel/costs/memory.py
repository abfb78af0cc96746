"""How much memory does a model take, to answer and to be trained, and how long a context is there room for?"""

from __future__ import annotations

from ..core.kinds import kinds_of
from ..core.parameters import Component
from ..core.records import NamedTuple
from ..errors import Sentence, UsageError
from .setting import nbytes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .devices import Device
    from .estimate import Estimate

# vLLM takes this share of a GPU by default (gpu_memory_utilization); the rest is for the driver and for fragments.
USABLE = 0.9
LONGEST = 1 << 40  # tokens: no context is longer


class Training(NamedTuple):
    """Bytes on each of `n_devices` for a step of mixed-precision Adam or AdamW.

    Of each parameter 2 bytes of weight, 2 of gradient, and 12 of optimizer: a float32 copy and two moments (Rajbhandari
    et al. 2020, ZeRO, arXiv 1910.02054, section 3.1). ZeRO 1 shares the optimizer out, 2 the gradients too, 3 all.
    """

    stage: int
    n_devices: int
    weights: int
    gradients: int
    optimizer: int

    @property
    def total(self) -> int:
        """All three."""
        return self.weights + self.gradients + self.optimizer


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
    """At the widest place of a layer: the residual stream, what is added to it, and the widest output of a matrix.

    Scores are never held as a whole (FlashAttention), and logits for one position of each sequence alone.
    """
    setting, widest, vocabulary = estimate.setting, 0, 0
    d_model = estimate.d_model
    works_on_text = estimate.picture is None or not estimate.picture.is_alone
    for row, _ in kinds_of(estimate.table):
        is_idle = row.tower == "vision" and works_on_text
        if row.excluded is None and row.role == "weight" and len(row.tensor.shape) == 2 and not is_idle:
            if row.component in (Component.ATTENTION, Component.MLP):
                widest = max(widest, row.numel // d_model)
            elif row.component in (Component.EMBEDDING, Component.HEAD) and row.part in ("token", "lm_head"):
                vocabulary = max(vocabulary, row.numel // d_model)
    heard = [
        attention.length or 0 for attention in estimate.attentions if works_on_text and attention.tower != "vision"
    ]
    new = 1 if setting.phase == "decode" else max([setting.context, *heard])
    element = estimate.stored
    return nbytes_of(element, setting.batch * (new * (2 * d_model + 2 * widest) + vocabulary))


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
    """How the model stands to the device. Activations are those of the setting."""
    need = memory(estimate)
    usable = int(device.all_nbytes * USABLE)
    free = usable - need.weights - need.activations
    most = estimate.n_positions or LONGEST
    longest = _longest(estimate, free, most)
    return Fit(device, usable, need.total, need.total <= usable, longest, longest == estimate.n_positions)


def _longest(estimate: Estimate, free: int, most: int) -> int | None:
    """The longest context whose cache takes no more than `free` bytes."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if estimate.cache_nbytes(middle) <= free:
            low = middle
        else:
            high = middle - 1
    return low or None
