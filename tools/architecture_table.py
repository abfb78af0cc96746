"""Writes docs/architectures.md and its Vietnamese twin: for each model type of transformers, how numel counts it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from textwrap import fill

from numel.blueprints.verified import Verification, verifications
from numel.sources.preset import all_presets

DOCS = Path(__file__).resolve().parent.parent / "docs"
TITLES = {
    "en": {
        "causal-lm": "Causal language models", "masked-lm": "Masked language models",
        "seq2seq-lm": "Sequence-to-sequence language models", "image-text-to-text": "Image and text to text",
        "image-classification": "Image classification", "": "Other architectures with a blueprint",
    },
    "vi": {
        "causal-lm": "Mô hình ngôn ngữ nhân quả", "masked-lm": "Mô hình ngôn ngữ che từ",
        "seq2seq-lm": "Mô hình ngôn ngữ chuỗi sang chuỗi", "image-text-to-text": "Ảnh và văn bản sang văn bản",
        "image-classification": "Phân loại ảnh", "": "Các kiến trúc khác có blueprint",
    },
}  # fmt: skip
STATES = {
    "en": {},
    "vi": {
        "exact": "chính xác", "exact in memory": "chính xác trong bộ nhớ", "differs": "có khác biệt",
        "changed since": "đã đổi từ đó", "inside others": "trong kiến trúc khác", "fallback": "dự phòng",
        "outside transformers": "ngoài transformers",
    },
}  # fmt: skip
HEAD = {
    "en": ("model type", "class", "state", "classes", "comparisons", "published totals met", "but"),
    "vi": ("loại mô hình", "lớp", "trạng thái", "số lớp", "số lần so", "tổng đã công bố khớp", "ngoại trừ"),
}
LEAD = {
    "en": """# Which architectures does numel count exactly?

This page is generated: `python tools/verify_blueprints.py --table` compares every blueprint that changed with transformers
{version} and writes the page anew. [Tiếng Việt](architectures.vi.md)

- **exact**: from the configuration alone, without torch, every tensor's name and shape, ties and buffers are those of
  transformers' classes, in memory and by the names of checkpoints, on each of so many comparisons: a class at a
  configuration, which is the default one, one with a switch flipped, or one drawn at random with everything changed.
- **exact in memory**: the same, but the names of checkpoints could not be compared.
- **inside others**: the configuration of a part, which transformers builds inside another model only and which was compared there.
- **outside transformers**: a class of the publisher's own code (`trust_remote_code`), which is never run. The names are those of the
  published checkpoints, and the totals are those of published models (`tests/blueprints/data/published.jsonl`).
- **fallback**: there is no blueprint yet. Where transformers is installed it builds the class on the meta device, and the answer
  says so; a checkpoint's header needs neither.
- *published totals met*: how many published models of that type come out at their published number of parameters.
""",
    "vi": """# numel đếm chính xác những kiến trúc nào?

Trang này được sinh tự động: `python tools/verify_blueprints.py --table` so mọi blueprint đã thay đổi với transformers {version} và viết
lại trang. [English](architectures.md)

- **chính xác**: chỉ từ cấu hình, không cần torch, tên và kích thước mọi tensor, các chia sẻ và bộ đệm đều là của các lớp trong
  transformers, cả trong bộ nhớ lẫn theo tên trong checkpoint, ở mỗi lần so: một lớp với một cấu hình, là cấu hình mặc định, cấu hình lật
  một công tắc, hoặc cấu hình ngẫu nhiên thay đổi mọi thứ.
- **chính xác trong bộ nhớ**: cũng vậy, nhưng tên trong checkpoint không so được.
- **trong kiến trúc khác**: cấu hình của một bộ phận, mà transformers chỉ dựng bên trong mô hình khác và đã được so ở đó.
- **ngoài transformers**: lớp nằm trong mã riêng của bên công bố (`trust_remote_code`), không bao giờ được chạy. Tên tensor là tên trong
  checkpoint đã công bố, tổng số là tổng của các mô hình đã công bố (`tests/blueprints/data/published.jsonl`).
- **dự phòng**: chưa có blueprint. Nếu đã cài transformers thì nó dựng lớp đó trên thiết bị meta, và câu trả lời nói rõ; phần đầu của
  checkpoint thì không cần cả hai.
- *tổng đã công bố khớp*: bao nhiêu mô hình đã công bố thuộc loại đó cho ra đúng số tham số đã công bố.
""",
}
# What closes the page, before the names.
WITHOUT = {
    "en": """## Not yet: without a blueprint

{n} model types of transformers {version}, most of which see, hear or speak. Without transformers numel refuses their configuration and
says what to install; a checkpoint of theirs it reads like any other.

""",
    "vi": """## Chưa có blueprint

{n} loại mô hình của transformers {version}, phần lớn xử lý hình ảnh hoặc âm thanh. Không có transformers thì numel từ chối cấu hình của
chúng và nói cần cài gì; còn checkpoint của chúng thì numel đọc như mọi checkpoint khác.

""",
}


def write() -> None:
    """Write both pages."""
    for lang, path in (("en", DOCS / "architectures.md"), ("vi", DOCS / "architectures.vi.md")):
        path.write_text(page(lang), encoding="utf-8")


def page(lang: str) -> str:
    """The page in one language."""
    known = verifications()
    version = next(v.transformers for v in known.values() if v.transformers)
    published = Counter(
        p.facts["config"]["model_type"]
        for p in all_presets()
        if p.facts.get("total_params") and p.facts["agreement"] != "disagrees"
    )
    pieces = [LEAD[lang].format(version=version)]
    for task, title in TITLES[lang].items():
        rows = [v for v in known.values() if (task in v.tasks if task else not v.tasks and v.state != "fallback")]
        counted = Counter(v.state for v in rows)
        shown = " · ".join(f"{n} {STATES[lang].get(state, state)}" for state, n in counted.most_common())
        pieces.append(f"## {title}\n\n{len(rows)}: {shown}\n\n" + _table(rows, task, lang, published))
    without = [f"`{v.model_type}`" for v in known.values() if v.state == "fallback"]
    pieces.append(WITHOUT[lang].format(n=len(without), version=version) + fill(", ".join(without), 140) + "\n")
    return "\n".join(pieces)


def _table(rows: list[Verification], task: str, lang: str, published: Counter[str]) -> str:
    lines = ["| " + " | ".join(HEAD[lang]) + " |", "|---|---|---|--:|--:|--:|---|"]
    for v in rows:
        cells = (
            f"`{v.model_type}`", f"`{v.tasks[task]}`" if task else "", STATES[lang].get(v.state, v.state),
            len(v.classes) or "", v.configurations or "", published[v.model_type] or "",
            ", ".join(f"`{name}`" for name in v.left_out),
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"
