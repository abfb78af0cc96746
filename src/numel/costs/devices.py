"""Which devices are known: how much memory, how fast it is, and how many products a second?

Peaks are dense (without the 2:4 sparsity of data sheets), with sums in float32; None where the maker publishes none.
Memory is what the driver reports (memory.total of nvidia-smi, VRAM total of rocm-smi, error correction on where it is by
default), not the label: an H200 of "141 GB" has 143,771 MiB, 150.8 × 10⁹ bytes. Of the other machines it is as sold, in 2³⁰.
"""

from __future__ import annotations

import os
import re

from ..core.records import NamedTuple
from ..errors import Sentence, UsageError

_GB, _MIB, _GIB, _T = 10**9, 2**20, 2**30, 10**12


class Device(NamedTuple):
    """One device, or `n_devices` alike. `nbytes`, `bandwidth` (bytes/s) and peaks (FLOP/s) are of one.

    `remark`: how its peaks are meant (translated as locale/words.txt has it). `wide_bits`: of which width the products are
    whose peak `peak_bf16` is: 32 where 16 bits are no faster, or nobody says that they are.
    """

    name: str
    title: str
    nbytes: int
    bandwidth: int
    peak_bf16: int | None
    peak_fp8: int | None
    source: str
    n_devices: int = 1
    remark: str = ""
    wide_bits: int = 16

    def peak(self, dtype: str) -> int | None:
        """FLOP/s at the element type of the weights, of all devices together; 8 bits without a peak of their own run as 16."""
        one = self.peak_fp8 if self.peak_bits(dtype) == 8 else self.peak_bf16
        return one * self.n_devices if one else None

    def peak_bits(self, dtype: str) -> int:
        """Of which width the products are whose peak `peak` is: 8, 16 or 32."""
        return 8 if dtype.startswith("F8") and self.peak_fp8 else self.wide_bits

    @property
    def all_nbytes(self) -> int:
        """Memory of all of them."""
        return self.n_devices * self.nbytes

    @property
    def all_bandwidth(self) -> int:
        """Bytes a second that all of them read together."""
        return self.n_devices * self.bandwidth


DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device("h200", "NVIDIA H200 SXM", 143_771 * _MIB, 4_800 * _GB, round(989.4 * _T), round(1978.9 * _T),
               "https://www.nvidia.com/en-us/data-center/h200/",
               remark="half of its peaks with sparsity"),
        Device("h100", "NVIDIA H100 SXM", 81_559 * _MIB, 3_350 * _GB, round(989.4 * _T), round(1978.9 * _T),
               "https://www.nvidia.com/en-us/data-center/h100/",
               remark="half of its peaks with sparsity"),
        Device("a100", "NVIDIA A100 80GB SXM", 81_920 * _MIB, 2_039 * _GB, 312 * _T, None,
               "https://www.nvidia.com/en-us/data-center/a100/"),
        Device("l40s", "NVIDIA L40S", 46_068 * _MIB, 864 * _GB, 362 * _T, 733 * _T,
               "https://www.nvidia.com/en-us/data-center/l40s/"),
        Device("rtx4090", "NVIDIA GeForce RTX 4090", 24_564 * _MIB, 1_008 * _GB, round(165.2 * _T), round(330.3 * _T),
               "NVIDIA Ada GPU Architecture, appendix A",
               remark="tensor peaks with FP32 accumulate"),
        Device("rtx5090", "NVIDIA GeForce RTX 5090", 32_607 * _MIB, 1_792 * _GB, round(209.5 * _T), 419 * _T,
               "NVIDIA RTX Blackwell GPU Architecture, appendix A",
               remark="tensor peaks with FP32 accumulate"),
        Device("mi300x", "AMD Instinct MI300X", 206_141_652_992, 5_300 * _GB, round(1307.4 * _T), round(2614.9 * _T),
               "https://www.amd.com/en/products/accelerators/instinct/mi300/mi300x.html"),
        Device("m1-max", "Apple M1 Max", 64 * _GIB, 400 * _GB, round(10.4 * _T), None,
               "https://www.apple.com/newsroom/2021/10/introducing-m1-pro-and-m1-max/",
               remark="FP32 of the GPU", wide_bits=32),
        Device("m3-ultra", "Apple M3 Ultra", 512 * _GIB, 819 * _GB, None, None,
               "https://www.apple.com/newsroom/2025/03/apple-reveals-m3-ultra/"),
        Device("xeon-8480", "Intel Xeon Platinum 8480+, 8 × DDR5-4800", 512 * _GIB, round(307.2 * _GB),
               round(114.688 * _T), None,
               "https://www.intel.com/content/www/us/en/products/sku/231746",
               remark="AMX: 1,024 BF16 operations a cycle, 56 cores, 2.0 GHz"),
    )
}  # fmt: skip


HERE = "here"


def device_called(text: str) -> Device:
    """The device that `text` names: `h200`, `h200x8`, `8xh200`; `here` is this machine, measured. Raises UsageError."""
    word = text.strip().lower().replace("_", "-")
    if word == HERE:
        from .here import measured_here  # (numpy is slow to import)

        return measured_here(Device(HERE, HERE, _memory(), 0, None, None, "", wide_bits=32))
    found = re.fullmatch(r"(?:(\d{1,5})x)?([a-z][\w-]*?)(?:x(\d{1,5}))?", word)
    name = found[2] if found else word
    device = DEVICES.get(name) or DEVICES.get(name.replace("-", ""))
    count = int(found[1] or found[3] or 1) if found else 1
    if device is None and word in DEVICES:
        device, count = DEVICES[word], 1
    if device is None or count < 1 or (found and found[1] and found[3]):
        message = Sentence("--device {text}: no such device", text=text)
        hint = Sentence(
            "there is {names}; h200x8 is eight of one; here is this machine, measured", names=", ".join(DEVICES)
        )
        if word.partition(":")[0] in ("cpu", "cuda"):
            hint = Sentence("a model runs there with --measure; --device here is this machine, measured")
        raise UsageError(message, hint=hint)
    return device._replace(n_devices=count)


def _memory() -> int:
    """Bytes of this machine's memory. Raises UsageError on a system that does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError) as error:
        raise UsageError(Sentence("--device here: this system does not say how much memory it has")) from error
