"""Writes docs/cost.md and its Vietnamese twin: which model types does `numel cost` cover, and which does it refuse?"""

from __future__ import annotations

from pathlib import Path

from numel.blueprints.library import model_types
from numel.costs.families import KIN, PAIRS, WRAPPERS, Family, family_called, known_types

DOCS = Path(__file__).resolve().parent.parent / "docs"
EMPTY = {"gemma4_unified_audio"}  # the types of which no tensor is published
LEAD = {
    "en": """# Which model types does `numel cost` cover?

This page is generated: `python tools/cost_table.py`. [Tiếng Việt](cost.vi.md) · Every convention and
its source: [conventions.md](conventions.md) · Estimated and measured shares of GPT-2 small
beside each other, and why they differ: [measured.md](measured.md).

A covered type was held against transformers, eager, under torch's FlopCounterMode: the FLOPs of a prompt and of one more
token, the numbers that these products write (scores apart), and those that the cache then holds, equal to the digit at drawn
configurations (`tests/costs`).

Left out on torch's side, since it is no work of the model's:

- rotary angles; outputs of a convolution that are thrown away; maps made again for each sequence or token though they are the same
- Llama 4's idle experts, and NLLB-MoE's, which transformers 5.23 runs as often as there are experts and not twice
- what is written as a product and is none: the mask of Llama 3.2's tiles and the means of Gemma 4's patches
- a half of the first value that Zaya makes of zeros, and what Gemma 3n makes of words as if they were pictures or sounds

Counted otherwise than torch sees it:

- When a new token passes the gated delta rule, the two products that read the state count; transformers writes them element by element.
- Of LongCat-Flash the expected share of experts that do something counts; it was compared where all do.

How some had to be run:

- Pixtral's pictures are compared one by one, since a batch is one masked sequence there.
- `fast_vlm` and `gemma3n` run without their towers, which timm builds. timm asks for torchvision, which brings a torch of its own and so
  has no place in the tests: the towers ran by hand, transformers around them, at four sizes of picture each, and the tests hold the
  numbers to the digit (`tools/timm_reference.py`).
- The kernels of MRA, for GPUs alone, and of DiNAT were replaced by the same products in torch; of MRA the numbers
  written were compared at one block a row, since of several the kernel writes the sum alone.

What is taken to be read:

- Attention in blocks (BigBird, Longformer, LED, LongT5, PEGASUS-X, MRA) is counted as transformers runs it: padding to whole blocks is
  work there, and no token sees everything unless the model says which.
- A part that stands alone (a Q-Former, the decoder of T5Gemma 2) looks at as many vectors of an encoder as it has of its own.
- BLT has as many patches as its patch_size says; for it, Reformer and LLaDA 2 no single new token is counted. DiffusionGemma reads, and
  passes once over its canvas. Moshi's depth Transformer is no part of Moshi's own pass.
""",
    "vi": """# `numel cost` tính được những loại mô hình nào?

Trang này được sinh tự động: `python tools/cost_table.py`. [English](cost.md) · Mọi quy ước và
nguồn: [conventions.vi.md](conventions.vi.md) · Tỷ lệ ước lượng và đo được của GPT-2 small
cạnh nhau, và vì sao chúng khác nhau: [measured.vi.md](measured.vi.md).

Mỗi loại tính được đã được so với transformers (bản eager) dưới FlopCounterMode của torch: FLOP của lời nhắc và của một token
nữa, số phần tử mà các phép nhân ấy ghi ra (trừ điểm chú ý), và số phần tử bộ nhớ đệm giữ sau đó, khớp đến từng chữ số trên các
cấu hình ngẫu nhiên (`tests/costs`).

Bỏ ra ở phía torch, vì không phải việc của mô hình:

- các góc quay; những đầu ra tích chập bị bỏ đi; các ánh xạ được tính lại cho từng chuỗi hay từng token dù giống hệt nhau
- các chuyên gia không được chọn của Llama 4, và của NLLB-MoE, mà transformers 5.23 chạy số lần bằng số chuyên gia thay vì hai lần
- những gì viết thành phép nhân mà không phải phép nhân: mặt nạ các ô của Llama 3.2 và trung bình các mảnh của Gemma 4
- một nửa giá trị đầu tiên mà Zaya tạo từ số không, và những gì Gemma 3n tạo ra từ chữ như thể đó là ảnh hay âm thanh

Tính khác cách torch nhìn thấy:

- Khi một token mới đi qua quy tắc delta có cổng, hai phép nhân đọc trạng thái được tính; transformers viết chúng theo từng phần tử.
- Với LongCat-Flash, phần kỳ vọng của các chuyên gia có làm việc được tính; việc so sánh dùng cấu hình mà chuyên gia nào cũng làm.

Một số loại phải chạy theo cách riêng:

- Ảnh của Pixtral được so từng ảnh một, vì ở đó cả lô là một chuỗi có mặt nạ.
- `fast_vlm` và `gemma3n` được chạy không có tháp, vì tháp do timm dựng. timm cần torchvision, thứ kéo theo một bản torch riêng nên không
  có chỗ trong các kiểm thử: hai tháp đã được chạy bằng tay, quanh chúng là transformers, mỗi tháp bốn cỡ ảnh, và các kiểm thử giữ các
  con số ấy đến từng chữ số (`tools/timm_reference.py`).
- Kernel của MRA, chỉ dành cho GPU, và của DiNAT được thay bằng chính các phép nhân ấy trong torch; với MRA, số phần tử
  ghi ra được so khi mỗi hàng chỉ có một khối, vì với nhiều khối thì kernel chỉ ghi tổng.

Những gì được coi là đầu vào:

- Chú ý theo khối (BigBird, Longformer, LED, LongT5, PEGASUS-X, MRA) được tính đúng như transformers chạy: phần đệm cho đủ khối là việc
  thật ở đó, và không token nào thấy mọi thứ trừ khi mô hình nói rõ token nào.
- Một bộ phận đứng riêng (Q-Former, bộ giải mã của T5Gemma 2) nhìn vào số vectơ của bộ mã hóa bằng số vectơ của chính nó.
- BLT có số mảnh theo patch_size của nó; với nó, Reformer và LLaDA 2, một token mới đơn lẻ không được tính. DiffusionGemma đọc, rồi đi một
  lượt qua khung vẽ của nó. Transformer chiều sâu của Moshi không thuộc lượt tính của chính Moshi.
""",
}
TITLES = {
    "en": {
        "decoder": "Decoders", "encoder": "Encoders (no cache)", "encoder_decoder": "Encoder-decoders",
        "windows": "Decoders with windows", "latent": "Multi-head latent attention", "state": "Layers that keep a state",
        "around": "Around a text model of these (the tower itself is not counted in FLOPs)",
        "pictures": "Encoders of pictures (`--batch` counts pictures; `--context` the patches of one where it may have any size)", "pairs": "A text and a picture side by side",
        "pictured": "A picture is part of each prompt, and its tower is counted",
        "sounds": "Encoders of sounds (`--context` counts the vectors that their layers see)",
        "empty": "Without a parameter: there is nothing to cost",
        "kin": "Unknown to transformers, held to a covered type of the same shapes",
        "refused": "Refused by name: what they do has not been held against torch, or did not agree",
    },
    "vi": {
        "decoder": "Bộ giải mã", "encoder": "Bộ mã hóa (không có bộ nhớ đệm)", "encoder_decoder": "Mã hóa-giải mã",
        "windows": "Bộ giải mã có cửa sổ", "latent": "Chú ý tiềm ẩn nhiều đầu", "state": "Có lớp giữ trạng thái",
        "around": "Bao quanh một mô hình văn bản nói trên (FLOP của tháp không được tính)",
        "pictures": "Bộ mã hóa ảnh (`--batch` là số ảnh; `--context` là số mảnh của một ảnh nếu ảnh có thể có kích thước bất kỳ)", "pairs": "Văn bản và ảnh cạnh nhau",
        "pictured": "Ảnh là một phần của mỗi lời nhắc, và tháp của nó được tính",
        "sounds": "Bộ mã hóa âm thanh (`--context` là số vectơ mà các lớp của chúng thấy)",
        "empty": "Không có tham số nào: không có gì để tính",
        "kin": "transformers không có, được so với một loại tính được có cùng kích thước",
        "refused": "Từ chối và nêu tên: cách chúng tính toán chưa được so với torch, hoặc không khớp",
    },
}  # fmt: skip


def kind_of(family: Family) -> str:
    """The section that a family stands in."""
    notes = family.notes
    if notes is not None and notes.reads in ("sound", "text and picture"):
        return "sounds" if notes.reads == "sound" else "pictured"
    if notes is not None and notes.around:
        return "around"
    if family.recurrence or family.pictures:
        return "state" if family.recurrence else "pictures"
    described = notes.attention if notes is not None else ()
    if family.attention == "latent" or any("expand" in rule.values for rule in described):
        return "latent"
    return "windows" if family.windows else family.stack


def page(language: str) -> str:
    """The whole page."""
    sections: dict[str, list[str]] = {name: [] for name in TITLES[language]}
    for name in known_types():
        family = family_called(name)
        assert family is not None
        if name in KIN:
            sections["kin"].append(name)
            continue
        if name not in PAIRS:
            sections[kind_of(family)].append(name)
    sections["around"] += WRAPPERS
    sections["pairs"] = list(PAIRS)
    unknown = set(model_types()) - set(known_types()) - WRAPPERS - PAIRS
    sections["empty"], sections["refused"] = sorted(EMPTY), list(unknown - EMPTY)
    parts = [LEAD[language]]
    for kind, title in TITLES[language].items():
        names = sorted(sections[kind])
        if names:
            parts.append(f"## {title}: {len(names)}\n\n{' · '.join(f'`{name}`' for name in names)}\n")
    return "\n".join(parts)


def write() -> None:
    """Both pages."""
    for language, name in (("en", "cost.md"), ("vi", "cost.vi.md")):
        (DOCS / name).write_text(page(language), encoding="utf-8")


if __name__ == "__main__":
    write()
