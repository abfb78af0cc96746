"""One colour per component, told apart and readable."""

import pytest

from numel.core.parameters import Component
from numel.palette import COLORS, color_of, group_of, text_on


def test_every_component_has_a_colour():
    assert {color_of(component) for component in Component} <= set(COLORS.values())


def test_the_seven_colours_differ():
    assert len(set(COLORS.values())) == len(COLORS) == 7


@pytest.mark.parametrize("color", COLORS.values())
def test_text_on_a_colour_has_the_contrast_that_wcag_asks_for(color):
    assert contrast(color, text_on(color)) >= 4.5


def test_what_is_unknown_is_other():
    assert group_of("no such thing") == "other"


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color):
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
