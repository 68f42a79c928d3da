"""The page as a browser shows it: toggles, keyboard, colours, and that names run nothing."""

from __future__ import annotations

import itertools
import json

import hostile
import pytest
from browser import chromium
from modelgen.inverted_residual import inverted_residual
from tools import require_package

from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.report.page import render_page

SHOWN = "return [...document.querySelectorAll('.map')].filter(m => m.offsetHeight).map(m => m.id)"
ACTIVE = "return document.activeElement.getAttribute('aria-label')"


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory, report_on):
    folder = tmp_path_factory.mktemp("pages")
    report = report_on(front=True, minimize=True, stream_input=True)
    (folder / "report.html").write_text(render_page(report), encoding="utf-8")
    return folder / "report.html"


@pytest.fixture
def page(driver, path):
    driver.get(path.as_uri())
    yield driver
    assert driver.get_log("browser") == []


def find(page, selector):
    return page.find_element("css selector", selector)


def test_it_opens_with_the_compiled_plan(page):
    assert page.title == "small.tflite: memory report"
    assert page.execute_script(SHOWN) == ["map-pushed"]


@pytest.mark.parametrize("key", ["apart", "overlap", "stages", "pushed"])
def test_a_plan_is_chosen_by_its_name(page, key):
    find(page, f"label:has(#show-{key})").click()
    assert page.execute_script(SHOWN) == [f"map-{key}"]


def test_one_scale_makes_the_smaller_plan_lower(page):
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]},
    )
    blocks = find(page, "#map-pushed .blocks")
    before, bottom = blocks.rect["height"], blocks.rect["y"] + blocks.rect["height"]
    find(page, "#same-scale").click()
    after = blocks.rect
    assert after["height"] < before / 4
    assert after["y"] + after["height"] == pytest.approx(bottom, abs=2)


def test_arrow_keys_go_from_tensor_to_tensor(page):
    blocks = page.find_elements("css selector", "#map-pushed .block")
    assert [b.get_attribute("tabindex") for b in blocks].count("0") == 1
    find(page, "#same-scale").send_keys("\t")
    labels = [b.get_attribute("aria-label") for b in blocks]
    assert page.execute_script(ACTIVE) == labels[0]
    for key, expected in [("\ue014", 1), ("\ue014", 2), ("\ue012", 1), ("\ue010", -1)]:
        page.switch_to.active_element.send_keys(key)
        assert page.execute_script(ACTIVE) == labels[expected]
    assert find(page, "#details").text.splitlines() == labels[-1].split("; ")


def test_pointing_at_a_tensor_shows_what_it_is(page):
    block = find(page, "#map-pushed .block.ring")
    webdriver = require_package("selenium.webdriver")
    webdriver.ActionChains(page).move_to_element(block).perform()
    assert "rows of a tensor inside a stage" in find(page, "#details").text


def luminance(page, name):
    """Of a colour of the page, 0 to 1; WCAG 2.2, without the last term's rounding."""
    text = page.execute_script(
        f"return getComputedStyle(document.documentElement).getPropertyValue('--{name}')"
    )
    channels = [int(text.strip()[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(page, one, other):
    low, high = sorted((luminance(page, one), luminance(page, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_differ_in_lightness_in_both_schemes(page, scheme):
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    for text in ("text", "quiet", "accent", "peak"):
        assert contrast(page, text, "card") >= 4.5
    kinds = ("input", "output", "tensor", "tensor-odd", "ring", "ring-odd")
    for one, other in itertools.combinations(kinds, 2):
        assert contrast(page, one, other) >= 1.25


def test_the_scheme_can_be_turned(page):
    scheme = "return getComputedStyle(document.documentElement).colorScheme"
    before = page.execute_script(scheme)
    find(page, "#theme").click()
    assert {before, page.execute_script(scheme)} == {"light", "dark"}
    find(page, "#theme").click()
    assert page.execute_script(scheme) == before


def test_the_numbers_can_be_saved(page, driver, tmp_path):
    page.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    find(page, "#download").click()
    wait = require_package("selenium.webdriver.support.ui").WebDriverWait
    wait(page, 20).until(lambda _: (tmp_path / "report.json").exists())
    assert json.loads((tmp_path / "report.json").read_text())["plans"][-1]["key"] == "pushed"


def test_names_of_tensors_run_nothing(driver, report_on, tmp_path):
    mod = from_tflite(inverted_residual(hostile.Renamer()))
    report = report_on(mod=mod, front=True, minimize=True)
    (tmp_path / "hostile.html").write_text(render_page(report), encoding="utf-8")
    driver.get((tmp_path / "hostile.html").as_uri())
    for block in driver.find_elements("css selector", "#map-stages .block"):
        driver.execute_script("arguments[0].focus()", block)
        name = driver.find_element("css selector", "#details strong").text
        assert block.get_attribute("aria-label").startswith(name)
    assert driver.title == "small.tflite: memory report"
    assert driver.find_elements("css selector", "img, main script, svg svg") == []
    assert driver.get_log("browser") == []
