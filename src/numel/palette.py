"""Which colour does each component have, in every view? Seven, told apart by colour-blind readers too.

Chosen from Okabe and Ito's set: the least CIEDE2000 between any two is 21 in normal vision and 10.9 in the worst of
protanopia, deuteranopia and tritanopia. Contrast on white falls to 2:1, so a colour never stands without a label.
"""

from __future__ import annotations

COLORS = {
    "embedding": "#56B4E9",
    "attention": "#E69F00",
    "mlp": "#0072B2",
    "norm": "#CC79A7",
    "moe": "#009E73",
    "head": "#D55E00",
    "other": "#BBBBBB",
}

# The rarer components borrow the colour of the one whose work they do; what is missing here is "other".
_LIKE = {
    "linear_attention": "attention",
    "ssm": "attention",
    "recurrent": "attention",
    "experts": "moe",
    "shared_expert": "moe",
    "router": "moe",
    "layernorm": "norm",
    "lm_head": "head",
}


def color_of(component: str) -> str:
    """The colour of a component as `#RRGGBB`.

    >>> color_of("mlp"), color_of("ssm") == color_of("attention"), color_of("rotary")
    ('#0072B2', True, '#BBBBBB')
    """
    return COLORS[group_of(component)]


def group_of(component: str) -> str:
    """The group of COLORS to which a component belongs; also the name of its CSS class.

    >>> group_of("experts"), group_of("conv")
    ('moe', 'other')
    """
    name = _LIKE.get(component, component)
    return name if name in COLORS else "other"


def text_on(color: str) -> str:
    """Black or white, whichever is easier to read on `color` (`#RRGGBB`), by WCAG's relative luminance.

    >>> text_on("#0072B2"), text_on("#E69F00")
    ('#FFFFFF', '#000000')
    """
    luminance = _luminance(color)
    return "#FFFFFF" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#000000"


def _luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
