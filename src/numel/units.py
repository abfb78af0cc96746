"""How is a number written? The only place where one becomes text, in English and in Vietnamese."""

from __future__ import annotations

from math import floor, inf, isfinite, isnan, log10

from .core.report import Unit
from .core.visible import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

UNKNOWN = {"en": "unknown", "vi": "không rõ"}
DASH = "–"  # an unknown or absent cell of a table

_SWAP = str.maketrans(",.", ".,")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FLAGS = {"en": ("no", "yes"), "vi": ("không", "có")}
_SHORT = {
    "en": ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")),
    "vi": ((10**12, " nghìn tỷ"), (10**9, " tỷ"), (10**6, " triệu"), (10**3, " nghìn")),
}
_SI = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_IEC = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def format_value(raw: Any, unit: Unit, lang: str = "en") -> str:
    """`raw` as text for people. None is said to be unknown; a name from outside comes back escaped.

    >>> format_value(124439808, Unit.COUNT), format_value(124439808, Unit.COUNT, "vi")
    ('124,439,808', '124.439.808')
    >>> format_value(124439808, Unit.SHORT_COUNT), format_value(1557611200, Unit.SHORT_COUNT, "vi")
    ('124.4M', '1,56 tỷ')
    >>> format_value(0.2278, Unit.SHARE), format_value(0.000309, Unit.SHARE, "vi")
    ('22.8%', '0,0309 %')
    >>> format_value(497759232, Unit.SHORT_NBYTES), format_value(497759232, Unit.SHORT_NBYTES, "vi")
    ('497.8 MB', '497,8 MB')
    >>> format_value(497759232, Unit.NBYTES), format_value(1.999, Unit.RATIO), format_value(None, Unit.COUNT)
    ('497.8 MB (474.7 MiB)', '1.9990', 'unknown')
    >>> format_value(1582.392, Unit.REAL), format_value(-0.0446553, Unit.REAL, "vi"), format_value(-6e-33, Unit.REAL)
    ('1,582', '−0,04466', '−6 × 10⁻³³')
    >>> format_value(291648307200, Unit.FLOPS), format_value(0.00435, Unit.SECONDS, "vi"), format_value(0.5, Unit.INTENSITY)
    ('291.6 GFLOP', '4,35 ms', '0.5 FLOP/B')
    """
    if raw is None:
        return UNKNOWN[lang]
    if isinstance(raw, float) and not isfinite(raw):
        return "NaN" if isnan(raw) else "∞" if raw > 0 else "−∞"
    if unit in _NUMBERS and not isinstance(raw, str):
        return _NUMBERS[unit](raw, lang)
    if unit is Unit.FLAG:
        return _FLAGS[lang][bool(raw)]
    if unit is Unit.FORMULA:
        return _grouped_sum(str(raw), lang)
    return visible(str(raw)) if raw != "" else ""


def plain(text: str) -> str:
    r"""Our own text, such as arithmetic: nothing is doubled, quoted or cut unless something invisible hides in it.

    >>> print(plain("12 × 1024²"), plain("n\x1b[1m"))
    12 × 1024² n\u{1b}[1m
    """
    return text if text.isprintable() else visible(text, limit=len(text) * 10)


def _grouped_sum(text: str, lang: str) -> str:
    """Arithmetic as it stands; where it is nothing but a sum of counts, each with its digits grouped."""
    if "+" in text and set(text) <= set("0123456789 +"):
        return " + ".join(_count(int(count), lang) for count in text.split(" + "))
    return plain(text)


def _local(text: str, lang: str) -> str:
    """Digits as English writes them, with the separators of `lang`."""
    return text.translate(_SWAP) if lang == "vi" else text


def _count(raw: Any, lang: str) -> str:
    whole = not isinstance(raw, float) or raw.is_integer()
    return _local(f"{int(raw):,}" if whole else f"{raw:,.2f}", lang)


def _short_count(raw: Any, lang: str) -> str:
    """Two decimals below ten, one above; none where the number is exact without them: 7B is 7,000,000,000."""
    size = abs(raw)
    for scale, name in _SHORT[lang]:
        if size < scale and round(size / scale * 1000, 1) < 1000:  # 999,950 is 1.00M, not 1000.0K
            continue
        digits = 2 if round(size / scale, 2) < 10 else 1
        text = f"{raw / scale:,.{digits}f}"
        if raw % scale == 0:
            text = text.partition(".")[0]
        return _local(text, lang) + name
    return _count(raw, lang)


def _share(raw: Any, lang: str, digits: int = 3) -> str:
    """`digits` significant digits of the percentage; only what is the whole is 100 %, only what is nothing 0 %."""
    percent = abs(raw) * 100
    sign = "−" if raw < 0 else ""
    if not isfinite(percent):
        text = "∞"
    elif percent in {0, 100}:
        text = f"{percent:.0f}"
    elif percent < 1e-6:
        text = "<" + _local("0.000001", lang)
    else:
        rounded = float(f"{percent:.{digits - 1}e}")  # 9.9999 is 10.0, one decimal less than 9.99
        decimals = max(digits - 1 - floor(log10(rounded)), 0)
        text = f"{percent:.{decimals}f}"
        if percent < 100 <= float(text):
            text = f"{percent:.2f}" if percent < 99.995 else ">99.99"
        text = _local(text if percent < 1000 else f"{percent:,.0f}", lang)
    return f"{sign}{text} %" if lang == "vi" else f"{sign}{text}%"


def _small_share(raw: Any, lang: str) -> str:
    return _share(raw, lang, digits=4)


def _ratio(raw: Any, lang: str) -> str:
    if raw != 0 and abs(raw) < 0.001:
        return _local(_with_power(f"{raw:.3g}"), lang)
    return _local(f"{raw:,.4f}", lang)


def _with_power(text: str) -> str:
    """`1.5e-05` as people write it: 1.5 × 10⁻⁵."""
    digits, e, exponent = text.partition("e")
    if not e:
        return text
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return power if digits == "1" else f"{digits} × {power}"


def _real(raw: Any, lang: str) -> str:
    """Four significant digits, in powers of ten where zeros would hide the number."""
    size = abs(raw)
    if size and not 1e-4 <= size < 1e7:
        digits, _, exponent = f"{size:.3e}".partition("e")
        text = _with_power(f"{_local(digits.rstrip('0').rstrip('.'), lang)}e{int(exponent)}")
    else:
        digits = f"{float(f'{size:.3e}'):,.{max(3 - floor(log10(size)), 0)}f}" if size else "0"
        text = _local(digits.rstrip("0").rstrip(".") if "." in digits else digits, lang)
    return f"−{text}" if raw < 0 else text


def _factor(raw: Any, lang: str) -> str:
    """Growth as a factor, to three significant digits: ×2.08, ×17.3; in Vietnamese in words, since it stands in sentences."""
    decimals = max(2 - floor(log10(abs(raw))), 0) if raw else 0
    text = _local(f"{raw:,.{decimals}f}", lang)
    return f"{text} lần" if lang == "vi" else f"×{text}"


def _nbytes(raw: Any, lang: str) -> str:
    """SI and binary units once each, so that nobody has to ask which was meant."""
    decimal = _scaled(raw, 1000, _SI)
    binary = _scaled(raw, 1024, _IEC)
    return _local(decimal if abs(raw) < 1000 else f"{decimal} ({binary})", lang)


def _short_nbytes(raw: Any, lang: str) -> str:
    """In the units of the makers, powers of 1000."""
    return _local(_scaled(raw, 1000, _SI), lang)


def _scaled(raw: Any, base: int, names: tuple[str, ...]) -> str:
    value, limit = float(raw), base - 0.05  # what would be written as 1000.0 takes the next unit
    for name in names[:-1]:
        if abs(value) < limit:
            return f"{value:,.0f} {name}" if name == "B" else f"{value:,.1f} {name}"
        value /= base
    return f"{value:,.1f} {names[-1]}"


def _prefixed(raw: Any, lang: str, unit: str) -> str:
    """Four significant digits with an SI prefix: 291.6 GFLOP, 4.35 ms."""
    size = abs(float(raw))
    if size == 0:
        return f"0 {unit}"
    shown = float(f"{size:.4g}")
    scale, prefix = next((row for row in _PREFIXES if shown >= row[0]), _PREFIXES[-1])
    digits = max(3 - floor(log10(shown / scale)), 0)
    text = f"{raw / scale:,.{min(digits, 3)}f}"
    return _local(text.rstrip("0").rstrip(".") if "." in text else text, lang) + f" {prefix}{unit}"


_PREFIXES = (
    (1e24, "Y"), (1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""),
    (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"),
)  # fmt: skip


_NUMBERS: dict[Unit, Callable[[Any, str], str]] = {
    Unit.COUNT: _count,
    Unit.SHORT_COUNT: _short_count,
    Unit.NBYTES: _nbytes,
    Unit.SHORT_NBYTES: _short_nbytes,
    Unit.SHARE: _share,
    Unit.SMALL_SHARE: _small_share,
    Unit.RATIO: _ratio,
    Unit.REAL: _real,
    Unit.FACTOR: _factor,
    Unit.FLOPS: lambda raw, lang: _prefixed(raw, lang, "FLOP"),
    Unit.FLOP_RATE: lambda raw, lang: _prefixed(raw, lang, "FLOP/s"),
    Unit.BYTE_RATE: lambda raw, lang: _prefixed(raw, lang, "B/s"),
    Unit.INTENSITY: lambda raw, lang: _local(f"{raw:,.3g}" if raw < 1000 else f"{raw:,.0f}", lang) + " FLOP/B",
    Unit.SECONDS: lambda raw, lang: _prefixed(raw, lang, "s"),
    Unit.INDEX: lambda raw, lang: str(raw),  # noqa: ARG005 - a layer's number is the same in every language
}


def is_number(unit: Unit) -> bool:
    """Whether values of this unit stand at the right of a column.

    >>> is_number(Unit.SHARE), is_number(Unit.NAME)
    (True, False)
    """
    return unit in _NUMBERS


def magnitude(raw: Any) -> float:
    """How long the bar of a cell is: the number itself, 0 for what is none.

    >>> magnitude(0.25), magnitude(None), magnitude(float("inf"))
    (0.25, 0.0, 0.0)
    """
    if isinstance(raw, (int, float)) and 0 < raw < inf:
        return float(raw)
    return 0.0
