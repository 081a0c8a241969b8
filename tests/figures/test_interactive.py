from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from distlib.figures.figure import Figure, Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import frame_lines
from distlib.figures.svg import Drawing, circle, text
from tests.figures.test_figure import Balance

WORDS = {"alt": "Two curves.", "caption": "They rise."}


def draw(participants: int, crash_percent: int) -> Frame:
    x = np.linspace(0, 20, 60)
    voted = (1 - np.exp(-x / 3)) ** participants
    alive = (1 - crash_percent / 100) ** participants
    return frame_lines(
        {"no fault": (x, voted), "with crashes": (x, alive * voted)},
        summary=f"With {participants} participants {alive:.0%} of the commits end.",
        x_label="time (ms)",
        y_label="probability that all have voted",
        x_limits=(0, 20),
        y_limits=(0, 1),
    )


def dials() -> list[Dial]:
    return [
        Dial("participants", range(1, 10), 4, "participants"),
        Dial("crash_percent", range(0, 45, 5), 10, "crashes", "%"),
    ]


def figure(**changes: Any) -> Interactive:
    return Interactive(**({"draw": draw, "dials": dials(), "identifier": "votes", **WORDS} | changes))


def table(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json">(.*?)</script>', html, flags=re.DOTALL)
    assert found is not None
    loaded = json.loads(found.group(1))
    assert isinstance(loaded, dict)
    return loaded


def test_every_frame_of_the_twin_is_the_drawing_of_its_setting() -> None:
    shown = figure()
    held = table(shown.html)
    settings = list(shown)
    assert len(settings) == len(held["frames"]) == len(held["summaries"]) == 81
    for setting, frame, summary in zip(settings, held["frames"], held["summaries"], strict=True):
        drawn = draw(**setting)
        assert "".join(held["elements"][index] for index in frame) == drawn.drawing.body
        assert summary == drawn.summary


def test_the_frames_are_in_the_order_in_which_the_script_counts() -> None:
    """The script takes the number of a frame to be first dial × values of the second + second dial."""
    shown = figure()
    first, second = shown.dials
    for index, setting in enumerate(shown):
        assert index == first.values.index(setting["participants"]) * len(second.values) + second.values.index(
            setting["crash_percent"]
        )


def test_two_dials_of_nine_values_stay_below_150_kilobytes() -> None:
    assert 20_000 < figure().static_bytes < 150_000


def test_what_frames_share_is_stored_once() -> None:
    elements = table(figure().html)["elements"]
    assert len(elements) == len(set(elements))
    assert sum(len(element) for element in elements) < 0.4 * 81 * len(draw(4, 10).drawing.body)


def test_without_scripts_the_default_frame_its_values_and_its_summary_stand_there() -> None:
    html = figure().html.split("<script", 1)[0]
    default = draw(4, 10)
    assert f'<g class="ds-frame">{default.drawing.body}</g>' in html
    assert f">{default.summary}</output>" in html
    assert ">10 %</span>" in html
    assert html.count("disabled") == 2


def test_dials_are_named_and_say_their_value_in_words() -> None:
    html = figure().html
    assert '<label for="votes-crash-percent">crashes</label><input type="range" id="votes-crash-percent"' in html
    assert 'min="0" max="8" step="1" value="2" aria-valuetext="10 %"' in html
    assert '<output for="votes-participants votes-crash-percent" aria-live="polite">' in html


def test_nothing_in_the_data_can_end_its_script() -> None:
    def wicked(participants: int, crash_percent: int) -> Frame:
        words = f"</script><!-- <script> {participants} {crash_percent}"
        return Frame(Drawing(100, 50, (text(1, 2, words), f"<g><title>{participants}</title></g>")), words)

    html = figure(draw=wicked).html
    Balance(html)
    assert html.count("</script>") == 2
    assert "<!--" not in html
    assert table(html)["summaries"][0] == "</script><!-- <script> 1 0"


def test_a_notebook_gets_a_widget_and_the_twin() -> None:
    bundle = figure()._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert bundle["text/html"] == figure().html
    assert bundle["text/plain"] == "[Interactive: Two curves.]"


def test_moving_a_slider_of_the_widget_draws_anew() -> None:
    box = figure().widget()
    participants, crashes, picture = box.children
    assert draw(4, 10).drawing.body in picture.value
    crashes.value = 40
    participants.value = 9
    assert draw(9, 40).drawing.body in picture.value
    assert draw(9, 40).summary in picture.value


def test_a_figure_can_be_a_frame_and_its_alt_is_the_summary() -> None:
    def picture(n: int) -> Figure:
        return Figure(Drawing(10, 10, (circle((n, 5), 1, "ds-fill"),)), alt=f"A dot at {n}.", caption="A dot.")

    assert Interactive(picture, [Dial("n", (1, 2), 1)], **WORDS).summary(n=2) == "A dot at 2."


def test_values_of_numpy_are_written_as_numbers() -> None:
    dial = Dial("n", np.array([0.1, 0.2]), 0.1, unit="ms", format="{:.2f}")
    assert [dial.words(value) for value in dial.values] == ["0.10 ms", "0.20 ms"]
    assert Dial("n", np.arange(3), 1).words(np.int64(2)) == "2"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dial("no name", (1, 2), 1), "`name` must be the name of an argument, got 'no name'"),
        (lambda: Dial("n", (1, 1), 1), r"`values` of dial 'n' must be at least two different ones, got \(1, 1\)"),
        (lambda: Dial("n", (1, 2), 3), r"`default` of dial 'n' must be one of \(1, 2\), got 3"),
        (lambda: figure(dials=[]), r"`dials` must be one or more with different names, got \[\]"),
        (lambda: figure(dials=[Dial("n", (1, 2), 1)] * 2), r"with different names, got \['n', 'n'\]"),
        (lambda: figure(dials=[Dial("n", range(2000), 1)]), "at most 1000 combinations, got 2000"),
        (lambda: figure().frame(participants=99), r"`participants` must be one of \(1, .*\), got 99"),
        (lambda: figure().frame(nobody=1), r"`nobody` must be one of \['participants', 'crash_percent'\], got 1"),
    ],
)
def test_wrong_dials_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_page_keeps_room_for_the_tallest_picture_and_the_longest_words() -> None:
    def growing(n: int) -> Frame:
        return Frame(Drawing(10, 10 * n, ()), "word " * n)

    html = Interactive(growing, [Dial("n", (1, 3, 2), 2)], **WORDS).html
    assert 'viewBox="0 0 10 30"' in html
    assert 'data-longest="word word word "' in html


def test_a_frame_without_words_or_of_another_width_is_refused() -> None:
    def silent(n: int) -> Frame:
        return Frame(Drawing(10, 10, ()), " ")

    def jumping(n: int) -> Frame:
        return Frame(Drawing(10 * n, 10, ()), "It jumps.")

    with pytest.raises(ValueError, match=r"the summary for \{'n': 1\} must say what the reader sees"):
        _ = Interactive(silent, [Dial("n", (1, 2), 1)], **WORDS).html
    with pytest.raises(ValueError, match=r"must have the width 10, got 20 for \{'n': 2\}"):
        _ = Interactive(jumping, [Dial("n", (1, 2), 1)], **WORDS).html


def line(slope: int) -> Frame:
    return frame_lines(
        {"line": ([0, 1], [0, slope])},
        summary=f"It ends at {slope}.",
        x_label="x (s)",
        y_label="y (m)",
        x_limits=(0, 1),
        y_limits=(0, 3),
    )


def test_a_kernel_shows_the_same_bytes_as_this_process(tmp_path: Path) -> None:
    """What nbval compares: every output but the widget's view, whose id is drawn anew in each run."""
    cell = "\n".join(
        [
            "from distlib.figures.interactive import Dial, Interactive",
            "from distlib.figures.figure import Frame",
            "from distlib.figures.plots import frame_lines",
            inspect.getsource(line),
            "Interactive(line, [Dial('slope', (1, 2, 3), 2)], alt='A line.', caption='A line.')",
        ]
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in output.data
    shown = Interactive(line, [Dial("slope", (1, 2, 3), 2)], alt="A line.", caption="A line.")
    assert output.data["text/html"] == shown.html
    assert output.data["text/plain"] == str(shown)
