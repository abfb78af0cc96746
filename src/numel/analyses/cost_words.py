"""In which conventions is a cost counted? Sentences that are printed with every result."""

from __future__ import annotations

from ..core.counts import experts_of
from ..core.kinds import kinds_of
from ..core.report import Note, Text, Unit, Value
from ..costs.attending import BLOCK
from ..costs.memory import USABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..costs.memory import Training
    from .cost import ModelCost


def assumptions(result: Sequence[ModelCost]) -> tuple[Text, ...]:
    """How costs were counted, as far as it matters for these models."""
    said = [
        Text(
            "FLOPs as torch's FlopCounterMode counts them: a multiply and an add are 2, only matrix products and "
            "convolutions count; a lookup, a norm, a bias, an activation, a softmax and rotary angles are 0"
        ),
    ]
    if any(work.part == "lm_head" for c in result for work in c.estimate.works):
        said.append(
            Text("a tied output matrix holds no parameters of its own and costs its FLOPs; logits at every position")
        )
    if any(a.read for c in result for a in c.estimate.attentions):
        said.append(_causal(result))
    if any(c.estimate.setting.dtype is None and not _states_its_type(c) for c in result):
        said.append(Text("no element type is stated for the weights: BF16 taken, --dtype says another"))
    if any(c.estimate.setting.phase == "train" for c in result):
        said.append(Text("a training step is three forward passes: the gradients of a product are two of its size"))
    said += _experts(result)
    if any(a.latent for c in result for a in c.estimate.attentions):
        said.append(_latent(result))
    if any(c.estimate.family.recurrence for c in result):
        said.append(_states(result))
    said += _memory(result)
    said += _inputs(result)
    unseen = [c for c in result if not c.estimate.picture and not _is_pictured(c)]
    if any(_rests(c) for c in unseen):
        said.append(Text("text alone: towers for pictures and sound are held in memory and do no work"))
    if any(c.fit for c in result):
        said.append(
            Text(
                "roofline (Williams, Waterman and Patterson 2009): the longer of FLOPs at the dense peak and bytes of "
                "weights and cache at the full bandwidth; {usable} of the memory is usable (vLLM's default)",
                {"usable": Value(USABLE, Unit.SHARE)},
            )
        )
    return tuple(said)


def _experts(result: Sequence[ModelCost]) -> Iterator[Text]:
    """Which experts work, and which are read."""
    if any(c.estimate.n_experts for c in result):
        yield Text(
            "of routed experts only those of a token work; T tokens touch E·(1 − (1 − k/E)^T) of E experts, the "
            "expected number when k are drawn for each token at random: so many are read"
        )
    if any(_has_idle_experts(c) for c in result):
        yield Text(
            "some of the experts do nothing; the expected share of those that work is counted, drawn as the others"
        )


def _has_idle_experts(cost: ModelCost) -> bool:
    """Whether a token chooses among more experts than there are matrices for (LongCat-Flash)."""
    chosen, held = cost.estimate.n_experts, experts_of(cost.estimate.table)
    return chosen is not None and held is not None and chosen[0] > held[0]


def _memory(result: Sequence[ModelCost]) -> tuple[Text, ...]:
    """What of memory is meant: the cache, what a pass moves, what it holds meanwhile."""
    cache = Text(
        "KV cache: the logical minimum keeps of each token what later tokens need, in a window no more than that; "
        "engines reserve blocks of {block} tokens (vLLM's default) over the whole context in every layer",
        {"block": Value(BLOCK, Unit.COUNT)},
    )
    return (
        *((cache,) if any(c.estimate.total("kv_nbytes") for c in result) else ()),
        Text(
            "bytes moved: the weights that a pass reads, each once (of a lookup the rows of its tokens), and the cache that it "
            "reads or writes; activations left out"
        ),
        Text(
            "activations written: all that matrix products and convolutions write in a forward pass, logits at every position; "
            "scores are never held as a whole (FlashAttention), and what lookups, norms, sums and activation functions write is "
            "left out"
        ),
        Text(
            "activations held at once: residual stream, its sum, and twice the widest output of a matrix (its gate or activation beside it; "
            "of routed experts all of a token), no scores (FlashAttention), logits of one position"
        ),
    )


def _inputs(result: Sequence[ModelCost]) -> list[Text]:
    """What is read beside text, or instead of it, and what works more than once or on a choice of tokens."""
    said = list(_sizes(result))
    if any(c.estimate.picture for c in result):
        said.append(
            Text("--batch counts pictures; their tokens are patches and what is added to them (a class, registers)")
        )
    if any(c.estimate.picture and c.estimate.n_positions is None for c in result):
        said.append(
            Text("a picture may have any size: --context counts the patches of one, which attend to no other's")
        )
    if any(map(_is_pictured, result)):
        said.append(
            Text(
                "a picture is part of each prompt and is seen before the first new token; --context counts the tokens of the "
                "text model, those too that stand for the picture where some do"
            )
        )
    if any(c.estimate.family.sound for c in result):
        said.append(
            Text("the encoder hears a sound of full length (30 s in Whisper); --context counts the decoder's tokens")
        )
    if any(c.estimate.family.notes is not None and c.estimate.family.notes.reads == "sound" for c in result):
        said.append(
            Text(
                "--context counts the vectors of a sound that the encoder's layers see, behind what shortens it in front"
            )
        )
    if any(_hears_and_writes(c) for c in result):
        said.append(
            Text(
                "the sound that an encoder hears is the shortest of which it makes as many vectors as --context counts tokens"
            )
        )
    if any(c.estimate.family.sharing for c in result):
        said.append(Text("matrices that several layers share work in each of them, and are read again for each"))
    if any(a.indexer for c in result for a in c.estimate.attentions):
        said.append(
            Text(
                "sparse attention: every token scores all before it with small heads and works with those it chooses; a "
                "prompt counted as a square works with all and masks the others, as its eager implementation does"
            )
        )
    return said


def _sizes(result: Sequence[ModelCost]) -> Iterator[Text]:
    """How large the picture or the film is that each model sees."""
    for cost in result:
        seen = cost.estimate.size
        if not seen:
            continue
        names = ("frames", "height", "width")[-len(seen) :]
        sizes = {name: Value(side, Unit.COUNT) for name, side in zip(names, seen, strict=True)}
        size = Text("a picture of {height} × {width} pixels", sizes)
        if "frames" in sizes:
            size = Text("a film of {frames} frames of {height} × {width} pixels", sizes)
        values: dict[str, Value | Text] = {"model": Value(cost.estimate.table.name, Unit.NAME), "size": size}
        if cost.estimate.is_size_assumed:
            yield Text(
                "{model}: {size}; its configuration states no size, and this is the usual one; --set image_size=… says another",
                values,
            )
        else:
            yield Text("{model}: {size}, as its configuration states", values)


def _is_pictured(cost: ModelCost) -> bool:
    notes = cost.estimate.family.notes
    return notes is not None and notes.reads == "text and picture"


def _rests(cost: ModelCost) -> bool:
    """Whether there is a tower that has nothing to do."""
    notes = cost.estimate.family.notes
    if notes is not None and notes.around:
        return True
    towers = {work.tower for work in cost.estimate.works} & {"vision", "audio"}
    return any(notes is None or not notes.works(tower) for tower in towers)


def _hears_and_writes(cost: ModelCost) -> bool:
    """Whether a decoder writes of a sound whose length goes with what it writes."""
    family = cost.estimate.family
    return family.notes is not None and family.notes.reads == "text and sound" and family.stack == "encoder_decoder"


def _states_its_type(cost: ModelCost) -> bool:
    return all(row.tensor.dtype.block_nbytes for row, _ in kinds_of(cost.estimate.table))


def _causal(result: Sequence[ModelCost]) -> Text:
    if result[0].estimate.setting.causal == "triangle":
        return Text("causal attention counted as its triangle: token t meets t keys, in a window no more than that")
    return Text("causal attention counted as the whole square n × n, as its eager implementation computes it")


def _states(result: Sequence[ModelCost]) -> Text:
    chunked = {"mamba2", "delta", "kda", "lightning"} & {c.estimate.family.recurrence for c in result}
    setting = result[0].estimate.setting
    if chunked and setting.phase != "decode" and setting.scan == "chunked":
        return Text(
            "a prompt passes layers with a state in whole chunks, as kernels and transformers' eager code run it; --scan recurrent "
            "counts it token by token"
        )
    return Text(
        "layers with a state count as their recurrence: the state is read out by one product and updated element by element"
    )


def _latent(result: Sequence[ModelCost]) -> Text:
    if result[0].estimate.setting.latent == "naive":
        return Text("latent attention decoded naively: keys and values of the whole context expanded for every token")
    return Text(
        "latent attention decoded absorbed: queries meet the cached latents themselves (DeepSeek-V2, section 2.1)"
    )


def training_notes(states: Training) -> list[Note]:
    """What a step of Adam needs on each device, and whether one has room for it."""
    values: dict[str, Value | Text] = {
        "weights": Value(states.weights, Unit.NBYTES),
        "gradients": Value(states.gradients, Unit.NBYTES),
        "optimizer": Value(states.optimizer, Unit.NBYTES),
        "total": Value(states.total, Unit.NBYTES),
        "n": Value(states.n_devices, Unit.COUNT),
        "stage": Value(states.stage, Unit.INDEX),
        "needed": Value(states.total, Unit.NBYTES),
        "usable": Value(states.usable, Unit.NBYTES),
    }
    what = Text(
        "training with mixed-precision Adam, on each of {n} devices with ZeRO stage {stage}: weights {weights} + "
        "gradients {gradients} + optimizer {optimizer} = {total}, activations apart (2 + 2 + 12 bytes a parameter: "
        "Rajbhandari et al. 2020)",
        values,
    )
    if states.n_devices == 1:
        what = Text(
            "training with mixed-precision Adam, on one device: weights {weights} + gradients {gradients} + optimizer "
            "{optimizer} = {total}, activations apart (2 + 2 + 12 bytes a parameter: Rajbhandari et al. 2020)",
            values,
        )
    return [Note(what), *([fits_note(values, fits=states.fits)] if states.fits is not None else [])]


def fits_note(values: dict[str, Value | Text], *, fits: bool) -> Note:
    """Whether `needed` is no more than `usable`."""
    if fits:
        return Note(Text("it fits: {needed} of {usable}", values))
    return Note(Text("it does not fit: {needed} are needed, {usable} are there", values))
