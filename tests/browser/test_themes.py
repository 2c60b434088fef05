"""The light and the dark theme in a real browser: what is drawn in charts can be read on both."""

import pytest
from django.contrib.auth.models import User

from assets.models import AggregationEan
from bidding.models import Activation

pytestmark = pytest.mark.django_db(transaction=True)

READABLE, DISCERNIBLE = 4.5, 3.0  # contrasts of text and of graphics that WCAG 2.2 asks for (1.4.3, 1.4.11)
CONTRASTS = """() => {
  const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (colour) => {
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...brush.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = luminance(getComputedStyle(document.getElementById("main")).backgroundColor);
  const contrast = (colour) => {
    const ink = luminance(colour);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  };
  const charts = [...document.querySelectorAll("canvas.chart")].map((canvas) => Chart.getChart(canvas));
  return {
    texts: charts.flatMap(({ options: { scales, plugins } }) => [
      scales.x.ticks.color, scales.y.ticks.color, scales.y.title.color, plugins.legend.labels.color,
    ]).map(contrast),
    drawn: charts.flatMap(({ data }) => data.datasets.map((one) => one.borderColor)).map(contrast),
  };
}"""


@pytest.fixture
def live(evening):
    User.objects.create_superuser("operator", password="throw-away")
    evening.everything()
    AggregationEan.objects.update(is_sized_for_balancing=True)
    return f"/admin/bidding/activation/{Activation.objects.get().pk}/live/"


def check(page, address, theme):
    page.wait_for_selector(f"html.{theme}")
    page.wait_for_function("Chart.getChart(document.querySelector('canvas.chart'))")
    contrasts = page.evaluate(CONTRASTS)
    assert min(contrasts["texts"]) >= READABLE, (address, theme)
    assert min(contrasts["drawn"]) >= DISCERNIBLE, (address, theme)


def test_charts_can_be_read_on_both_themes_also_when_the_theme_changes(live_server, live, page, log_in):
    page.emulate_media(color_scheme="dark")
    log_in()
    overview, day = "bidding/balancingheadroom/overview/", "settlement/balancingsettlement/day/2026-01-13/"
    for address in ("/admin/", live, f"/admin/{overview}", f"/admin/{day}"):
        page.goto(live_server.url + address)
        check(page, address, "dark")
        page.evaluate("Alpine.$data(document.documentElement).adminTheme = 'light'")
        check(page, address, "light")
        page.evaluate("Alpine.$data(document.documentElement).adminTheme = 'auto'")
    assert page.complaints == []
