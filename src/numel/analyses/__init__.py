"""What can be asked of models. One file each: `Options`, `add_options(parser)`, `analyze(models, options)`, `report(result)`."""

from __future__ import annotations

from ..registry import Plugin

# The order is that of `numel --help`.
ANALYSES: dict[str, Plugin] = {
    "show": Plugin("numel.analyses.breakdown", "where the parameters live: by component, part, layer, tensor, …"),
    "norms": Plugin("numel.analyses.norms", "the normalisation layers alone: γ against β"),
    "cost": Plugin("numel.analyses.cost", "what the parameters cost: bytes, FLOPs, KV cache, memory, roofline"),
    "scaling": Plugin("numel.analyses.scaling", "how each share moves with the size of the model, and why"),
    "explain": Plugin("numel.analyses.explain", "each count as arithmetic of the configuration's fields"),
    "values": Plugin("numel.analyses.values", "how the weights are distributed: moments, quantiles, outliers, entropy"),
    "doctor": Plugin(
        "numel.analyses.doctor", "what looks wrong in the weights: NaN, dead, untouched, doubled, too wide"
    ),
    "diff": Plugin("numel.analyses.diff", "where the weights changed from one checkpoint to another"),
    "ablate": Plugin(
        "numel.analyses.ablate", "what each attention and each MLP is worth: the loss on a text without it"
    ),
    "study": Plugin("numel.analyses.study", "the whole study as a document with its figures and its audit"),
    "fit": Plugin("numel.analyses.fit", "the configurations of a family nearest to a number of parameters"),
    "audit-rule": Plugin("numel.analyses.audit_rule", "what the study's rule gets wrong, over all architectures"),
    "models": Plugin("numel.analyses.catalogue", "the published models that numel knows by name"),
    "architectures": Plugin("numel.analyses.architectures", "the architectures that it counts from a config alone"),
}
