"""The page of a run of a study, made from its record and its figures."""

import json

from matplotlib.figure import Figure

from reading_html import Tree
from ship.base.statistics import Interval
from ship.study import Run, read_run
from ship.study.record.page import run_page


def drawing(points=3):
    figure = Figure(figsize=(3, 2))
    figure.add_subplot().plot(range(points), [i * i % 97 for i in range(points)], color="#2166ac")
    return figure


def test_a_run_becomes_a_page(tmp_path):
    with Run(tmp_path, study="mine", seed=3, config={"taus": [0.02]}) as run:
        run.number("accuracy <b>", Interval(0.95, 0.93, 0.97), n=300, how="Wilson")
        run.number("spikes a sample", 41.0)
        run.figure("curve", drawing(), "Accuracy against time")
        run.figure("large", drawing(60_000), "Too many points")
        run.table("draws", [{"x": 1}])
        run.note("Numbers of no meaning.")
    record = read_run(tmp_path)
    tree = Tree(run_page(record, tmp_path).render())
    rows = [[cell.text for cell in e.children] for e in tree.of("tr")]
    assert ["accuracy <b>", "0.95", "0.93 to 0.97", "300", "Wilson"] in rows
    assert ["spikes a sample", "41", "", "", ""] in rows
    text = tree.of("main")[0].text
    assert "Numbers of no meaning." in text
    assert "Setting taus[0.02]" in text
    figures = [tree.named(svg.get("aria-labelledby")).text for svg in tree.of("svg")]
    assert figures == ["Accuracy against time"]
    assert "It is in the file large.png, large.svg." in text
    assert "var(--blue)" in run_page(record, tmp_path).render()
    assert json.loads(tree.of("script")[0].text) == record
