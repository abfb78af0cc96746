"""How well does a model predict a text while parts of it add nothing, or what they add on the average?

The text is cut into windows of the context's length that overlap by one token, so that every token but the first is predicted
once, from at least one token before it.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from ..errors import Sentence, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .blocks import Block

_MOST_LOGITS = 1 << 24  # of the windows that run at once: 64 MiB
_N_TRIED = 12  # tokens on which the model is tried before anything else


class Judge:
    """The losses of one model on one text. `ids`: its tokens, two or more."""

    def __init__(self, module: Any, ids: Sequence[int], *, context: int, device: Any) -> None:
        """Raises UnsupportedError for a token that the model does not have, and where it sees what it should predict."""
        self._module, self._device = module, device
        self._ids = torch.tensor(ids, dtype=torch.long)
        n_known = int(module.get_input_embeddings().weight.shape[0])
        if int(self._ids.max()) >= n_known:
            message = Sentence(
                "the tokenizer gives token {token}, and the model has {n}",
                token=str(int(self._ids.max())),
                n=str(n_known),
            )
            raise UnsupportedError(message, hint=Sentence("the tokenizer belongs to another model"))
        self.n_predicted = len(ids) - 1
        self._batches = list(self._cut(context, max(1, _MOST_LOGITS // (context * n_known))))
        self.n_steps = len(self._batches)
        self._takes_cache = "use_cache" in inspect.signature(module.forward).parameters
        self._means: dict[str, Any] = {}
        self._try()

    def _cut(self, context: int, at_once: int) -> Iterator[Any]:
        """Windows of equal length together, the shorter last one alone."""
        step = context - 1
        starts = range(0, len(self._ids) - 1, step)
        whole = [self._ids[k : k + context] for k in starts if k + context <= len(self._ids)]
        for k in range(0, len(whole), at_once):
            yield torch.stack(whole[k : k + at_once])
        if len(whole) < len(starts):
            yield self._ids[starts[-1] :].unsqueeze(0)

    def _logits(self, ids: Any) -> Any:
        extra = {"use_cache": False} if self._takes_cache else {}
        return self._module(input_ids=ids.to(self._device), **extra).logits.float()

    def _try(self) -> None:
        """Raises UnsupportedError where what is said of a token depends on the tokens behind it."""
        before = self._batches[0][:1, :_N_TRIED]
        after = before.clone()
        after[0, -1] = (after[0, -1] + 1) % int(self._module.get_input_embeddings().weight.shape[0])
        with torch.inference_mode():
            one, other = self._logits(before)[0, :-1], self._logits(after)[0, :-1]
        if float((one - other).abs().max()) > 1e-2 * max(float(one.abs().max()), 1e-6):
            message = Sentence("its prediction of a token depends on later tokens: no causal language model")
            raise UnsupportedError(message, hint=Sentence("the loss of a text means nothing there"))

    def learn_means(self, blocks: Sequence[Block], progress: Callable[[], None]) -> None:
        """What each block adds on the average over all positions of all windows."""
        sums: dict[str, Any] = {}
        counts: dict[str, int] = {}

        def noting(path: str) -> Callable[..., None]:
            def note(_module: object, _given: object, out: Any) -> None:
                added = _first(out).detach().double().flatten(0, -2)
                sums[path] = sums.get(path, 0) + added.sum(0)
                counts[path] = counts.get(path, 0) + len(added)

            return note

        self._run([block.module.register_forward_hook(noting(block.path)) for block in blocks], progress)
        self._means = {path: total / counts[path] for path, total in sums.items()}

    def loss(self, without: Sequence[Block], replace: str, progress: Callable[[], None]) -> float:
        """Nats per predicted token while the output of these blocks is zero, or its mean."""

        def put(path: str) -> Callable[..., Any]:
            def instead(_module: object, _given: object, out: Any) -> Any:
                usual = _first(out)
                mean = self._means[path] if replace == "mean" else None
                other = torch.zeros_like(usual) if mean is None else mean.to(usual.dtype).expand_as(usual)
                return (other, *out[1:]) if isinstance(out, tuple) else other

            return instead

        total = self._run([block.module.register_forward_hook(put(block.path)) for block in without], progress)
        return total / self.n_predicted

    def _run(self, hooks: list[Any], progress: Callable[[], None]) -> float:
        """The sum of the losses over the text with these hooks, which are taken away again."""
        total = 0.0
        try:
            with torch.inference_mode():
                for ids in self._batches:
                    logits = self._logits(ids)[:, :-1]
                    found = torch.nn.functional.cross_entropy(
                        logits.flatten(0, 1), ids[:, 1:].flatten().to(self._device), reduction="none"
                    )
                    total += float(found.double().sum())
                    progress()
        finally:
            for hook in hooks:
                hook.remove()
        return total


def _first(out: Any) -> Any:
    """The hidden states that a module gives, alone or before other things."""
    return out[0] if isinstance(out, tuple) else out
