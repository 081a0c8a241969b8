"""The colours, held to the contrast that WCAG asks for and to what colour-blind readers see."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from numpy.typing import NDArray

from distlib.figures.figure import stylesheet

# Backgrounds: of a white page and of the dark themes of Sphinx's book theme and of JupyterLab.
PAGES = {"light": ("#ffffff",), "dark": ("#121212", "#14181e", "#111111")}

# How a reader without one kind of cone sees linear RGB: Machado, Oliveira and Fernandes, IEEE TVCG 15(6), 2009,
# table 1, severity 1.0.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> NDArray[np.float64]:
    value = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    return float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return CIE L*a*b* (D65) of linear RGB."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    root = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def palette(theme: str) -> list[str]:
    """Return the six colours of a theme, as the style sheet has them."""
    rules = {
        "light": r"\.ds-figure\{(--d-ink[^}]*)\}",
        "dark": r"html\[data-theme=\"dark\"\] \.ds-figure,[^{]*\{([^}]*)\}",
    }
    rule = re.search(rules[theme], stylesheet())
    assert rule is not None
    found = re.findall(r"--d-[1-6]:var\(--ds-[a-z]+,(#[0-9a-f]{6})\)", rule.group(1))
    assert len(found) == 6
    return found


@pytest.mark.parametrize("theme", PAGES)
def test_every_colour_can_be_read_as_text(theme: str) -> None:
    for colour, page in itertools.product(palette(theme), PAGES[theme]):
        assert contrast(colour, page) >= 4.5, (colour, page)


@pytest.mark.parametrize("theme", PAGES)
@pytest.mark.parametrize("blindness", BLINDNESS)
def test_colours_stay_apart_for_every_reader(theme: str, blindness: str) -> None:
    """Distances in L*a*b*, where 2.3 is just noticeable; the first three are prediction, simulation and measurement."""
    seen = [lab(BLINDNESS[blindness] @ linear(colour)) for colour in palette(theme)]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen[:3], 2)) >= 20
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) >= 10


def test_paper_has_the_colours_of_the_light_page() -> None:
    printed = re.search(r"@media print\{\.ds-figure,[^{]*\{([^}]*)\}", stylesheet())
    assert printed is not None
    assert re.findall(r"--d-[1-6]:(#[0-9a-f]{6})", printed.group(1)) == palette("light")
