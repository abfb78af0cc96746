"""How many parameters has a model, and where, asked of transformers? The shortest script that does what numel does.

    python benchmarks/counts_with_transformers.py CONFIG.json

The peer of bench_counts.py. The module is made on the meta device, so no weight is allocated.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

WORDS = {
    "embedding": ("wte", "wpe", "embed"),
    "norm": ("ln_", "norm"),
    "experts": ("experts", "mlp.gate."),
    "attention": ("attn",),
    "mlp": ("mlp",),
    "head": ("lm_head",),
}

config = AutoConfig.for_model(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
with torch.device("meta"):
    model = AutoModelForCausalLM.from_config(config)
sums: Counter[str] = Counter()
for name, parameter in model.named_parameters():  # a tied head comes once
    component = next(component for component, words in WORDS.items() if any(word in name for word in words))
    sums[component] += parameter.numel()
print(json.dumps({"total": sum(sums.values()), **sums}))
