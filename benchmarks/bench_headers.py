"""How long does numel take for a header of 91,000 tensors in 163 shards, beside a loop over safetensors' own reader?

    python benchmarks/bench_headers.py [--runs 7] [--folder DIR]

The checkpoint has DeepSeek-V3's names and shapes (61 layers and one for multi-token prediction, 256 experts, a block
scale for each FP8 weight) and no values: its files are holes. The loop opens each shard and asks for every shape, and
neither validates nor classifies. numel does all three, as a whole process; so is the loop.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import measure

if TYPE_CHECKING:
    from collections.abc import Iterator

N_SHARDS = 163
LOOP = """
import json, sys
from pathlib import Path
from safetensors import safe_open
folder = Path(sys.argv[1])
n = numel = 0
for shard in sorted(set(json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"].values())):
    with safe_open(folder / shard, framework="numpy") as file:
        for name in file.keys():
            elements = 1
            for size in file.get_slice(name).get_shape():
                elements *= size
            n, numel = n + 1, numel + elements
print(n, numel)
"""
_NBYTES = {"BF16": 2, "F8_E4M3": 1, "F32": 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="how often each is run (default 7)")
    parser.add_argument("--folder", help="where to write the checkpoint; a temporary folder otherwise")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has numel and safetensors")
    parser.add_argument(
        "--write", metavar="DIR", help="only write the checkpoint there and say how many tensors it has"
    )
    options = parser.parse_args()
    if options.write:
        print(write_checkpoint(Path(options.write)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(options.folder or scratch) / "deepseek-v3-shaped"
        # in a process of its own: what this one has held would count as the least peak of every child
        n_tensors = int(measure.run([options.python, __file__, "--write", str(folder)]).stdout)
        commands = {
            "`numel FOLDER`": [*measure.installed(options.python), str(folder)],
            "`numel FOLDER --json`": [*measure.installed(options.python), str(folder), "--json"],
            "loop over `safe_open`": [options.python, "-c", LOOP, str(folder)],
        }
        environment = measure.as_installed(f"{scratch}/bytecode")
        measured = list(measure.alternate(commands, n_runs=options.runs, env=environment).values())
        stored = json.loads(measured[1].runs[0].stdout)["models"][0]["counts"]["stored"]
        print(f"{n_tensors:,} tensors in {N_SHARDS} shards\n")
        print(measure.table(measured, measured[-1]))
        print(
            f"\nBoth find {stored:,} stored elements: {measured[-1].runs[0].stdout.split() == [str(n_tensors), str(stored)]}"
        )


def write_checkpoint(folder: Path) -> int:
    """Write the shards and their index; the number of tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = list(_tensors())
    per_shard = -(-len(tensors) // N_SHARDS)
    weight_map: dict[str, str] = {}
    for i in range(N_SHARDS):
        file = f"model-{i + 1:05d}-of-{N_SHARDS:06d}.safetensors"
        part = tensors[i * per_shard : (i + 1) * per_shard]
        weight_map |= dict.fromkeys((name for name, _, _ in part), file)
        _write_shard(folder / file, part)
    index = {"metadata": {"total_size": sum(_nbytes(*t[1:]) for t in tensors)}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return len(tensors)


def _write_shard(path: Path, tensors: list[tuple[str, str, list[int]]]) -> None:
    header, end = {}, 0
    for name, dtype, shape in tensors:
        start, end = end, end + _nbytes(dtype, shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + end)


def _nbytes(dtype: str, shape: list[int]) -> int:
    n = _NBYTES[dtype]
    for size in shape:
        n *= size
    return n


def _tensors() -> Iterator[tuple[str, str, list[int]]]:
    """Names, dtypes and shapes of deepseek-ai/DeepSeek-V3 (config.json and README_WEIGHTS.md)."""
    d, vocabulary, expert = 7168, 129_280, 2048
    yield "model.embed_tokens.weight", "BF16", [vocabulary, d]
    for layer in range(62):
        at = f"model.layers.{layer}"
        attention = {"q_a_proj": [1536, d], "q_b_proj": [24576, 1536], "kv_a_proj_with_mqa": [576, d],
                     "kv_b_proj": [32768, 512], "o_proj": [d, 16384]}  # fmt: skip
        for name, shape in attention.items():
            yield from _fp8(f"{at}.self_attn.{name}", shape)
        for name, size in {"self_attn.q_a_layernorm": 1536, "self_attn.kv_a_layernorm": 512, "input_layernorm": d,
                           "post_attention_layernorm": d}.items():  # fmt: skip
            yield f"{at}.{name}.weight", "BF16", [size]
        if layer < 3:
            yield from _mlp(f"{at}.mlp", d, 18432)
            continue
        yield f"{at}.mlp.gate.weight", "BF16", [256, d]
        yield f"{at}.mlp.gate.e_score_correction_bias", "F32", [256]
        yield from _mlp(f"{at}.mlp.shared_experts", d, expert)
        for i in range(256):
            yield from _mlp(f"{at}.mlp.experts.{i}", d, expert)
    last = "model.layers.61"
    for name, shape in {"embed_tokens": [vocabulary, d], "enorm": [d], "hnorm": [d], "eh_proj": [d, 2 * d],
                        "shared_head.norm": [d], "shared_head.head": [vocabulary, d]}.items():  # fmt: skip
        yield f"{last}.{name}.weight", "BF16", shape
    yield "model.norm.weight", "BF16", [d]
    yield "lm_head.weight", "BF16", [vocabulary, d]


def _mlp(at: str, d: int, width: int) -> Iterator[tuple[str, str, list[int]]]:
    for name, shape in {"gate_proj": [width, d], "up_proj": [width, d], "down_proj": [d, width]}.items():
        yield from _fp8(f"{at}.{name}", shape)


def _fp8(at: str, shape: list[int]) -> Iterator[tuple[str, str, list[int]]]:
    """A weight in FP8 and its scales, one for each block of 128 × 128."""
    yield f"{at}.weight", "F8_E4M3", shape
    yield f"{at}.weight_scale_inv", "F32", [-(-size // 128) for size in shape]


if __name__ == "__main__":
    main()
