"""The page is valid, whole, and looks as it should in a real browser."""

import base64
import html
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from analysis import mathtext, page, verdicts
from analysis.verdicts import MEANING, SECTIONS, Row
from theory.claim import judge
from theory.claims import all_claims

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VOID = {"meta", "img", "br", "link"}


@pytest.fixture(scope="module")
def rows():
    return verdicts.rows([], 6)


@pytest.fixture(scope="module")
def pictures(rows, tmp_path_factory):
    """Two figures, one of them of two claims."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, size in (("fig5-angles-x", (1600, 800)), ("best-angles", (300, 200))):
        noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{name}.png")
    wide, small = (page.picture(folder / f"{name}.png") for name in ("fig5-angles-x", "best-angles"))
    return {"optimal": [small], "angle-falls": [wide], "separability": [wide]}


@pytest.fixture(scope="module")
def text(rows, pictures):
    return page.render(rows, pictures)


class Tags(HTMLParser):
    """Every start tag with its attributes; an error where tags do not nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert len(attributes) == len(dict(attributes))
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_accessible(text, rows):
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    tags = Tags(text).found
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {row.id for row in rows} <= set(ids)
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    images = [attributes for tag, attributes in tags if tag == "img"]
    assert len(images) == 2
    assert all(len(image["alt"]) > 20 and int(image["width"]) > 0 for image in images)
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert {link[1:] for link in links} <= set(ids)
    assert all(link.startswith("#") for link in links)


def test_the_page_needs_nothing_else(text):
    tags = Tags(text).found
    assert not [tag for tag, _ in tags if tag in ("script", "link", "iframe", "object")]
    sources = [attributes["src"] for _, attributes in tags if "src" in attributes]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    assert "@import" not in text
    assert "url(" not in text


def test_the_counts_and_every_number_are_on_the_page(text, rows):
    for name, count in verdicts.counts(rows).items():
        assert re.search(rf'">{name}</span> <strong>{count}</strong>', text)
    for row in rows:
        article = re.search(rf'<article id="{row.id}">(.*?)</article>', text, re.S).group(1)
        assert f">{row.verdict}</span>" in article
        plain = html.unescape(re.sub(r"<[^>]*>", "", article))
        assert row.command in plain
        assert html.escape(row.test) in article
    assert all(f'id="section-{number}"' in text for number in SECTIONS)


def test_text_cannot_become_markup(rows):
    wicked = "<script>alert(1)</script>"
    row = Row("x", "1", wicked, "theory", wicked, "PROVED", wicked, wicked, wicked, wicked, wicked)
    assert "<script" not in page.render([row], {})


def test_a_figure_of_two_claims_is_there_once_and_linked(text):
    assert text.count("<img ") == 2
    assert text.count('<a href="#figure-fig5-angles-x">') == 1


def test_a_picture_is_made_small_and_stays_itself(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 2200, dtype=np.uint8)[None, :, None], (600, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "x.png")
    one, other = (page.picture(tmp_path / "x.png") for _ in range(2))
    assert one == other
    assert (one.width, one.height) == (page.WIDEST, 300)
    with Image.open(io.BytesIO(one.png)) as opened:
        shown = np.asarray(opened.convert("L")).astype(int)
    assert len(np.unique(shown)) <= page.COLOURS
    assert np.abs(shown[0] - np.linspace(0, 255, page.WIDEST)).max() < 12


def contrast(one, other):
    """WCAG 2's contrast of two colours #rrggbb."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return np.dot(linear, (0.2126, 0.7152, 0.0722))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_read_in_light_and_in_dark():
    schemes = re.findall(r"--ground: #.*?}", page.STYLE, re.S)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        for name in ("text", "faint", "link", "good", "bad", "half", "none"):
            assert min(contrast(colours[name], colours[under]) for under in ("ground", "card")) >= 4.5


def test_every_verdict_has_a_colour():
    for name in [*MEANING, "NOT PROVED"]:
        assert f".{name.lower().replace(' ', '-')}" in page.STYLE


LOOK = """<script>
const ids = IDS;
const images = [...document.images];
document.querySelectorAll("details").forEach(each => each.open = true);
Promise.all(images.map(image => image.decode().catch(() => null))).then(() => {
  const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > wide + 0.5);
  const found = {
    width: wide,
    scroll: document.documentElement.scrollWidth,
    out: out.map(e => e.tagName + ": " + e.textContent.slice(0, 60)),
    missing: ids.filter(id => !document.getElementById(id)),
    images: images.map(image => image.naturalWidth),
    small: [...document.querySelectorAll("p, li")].filter(e => parseFloat(getComputedStyle(e).fontSize) < 12).length,
  };
  const said = document.createElement("pre");
  said.id = "found";
  said.textContent = JSON.stringify(found);
  document.body.append(said);
});
</script>"""


def browse(folder, name, text, *options):
    file = folder / f"{name}.html"
    file.write_text(text, "utf-8")
    quiet = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    quiet += "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars"
    command = [BROWSER, *quiet.split(), f"--user-data-dir={folder / 'profile'}", *options, file.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def look(folder, text, rows, width):
    """What a browser finds of the page at a width: a frame of that width, as a window can be too narrow for some."""
    inner = text.replace("</body>", LOOK.replace("IDS", json.dumps([row.id for row in rows])) + "</body>")
    framed = html.escape(inner)
    outer = (
        f'<!DOCTYPE html><html lang="en"><title>x</title><body><iframe id="f" width="{width}" height="800" '
        f'style="border:0" srcdoc="{framed}"></iframe><script>const wait = setInterval(() => {{ const found = '
        'document.getElementById("f").contentDocument.getElementById("found"); if (found) { clearInterval(wait); '
        'const said = document.createElement("pre"); said.id = "said"; said.textContent = found.textContent; '
        'document.body.append(said); document.getElementById("f").remove(); } }, 50);</script></body></html>'
    )
    dumped = browse(folder, "outer", outer, "--window-size=1400,900", "--virtual-time-budget=20000", "--dump-dom")
    return json.loads(html.unescape(re.search(r'<pre id="said">(.*?)</pre>', dumped, re.S).group(1)))


needs_browser = pytest.mark.skipif(BROWSER is None, reason="no browser is installed")


@needs_browser
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_in_a_browser_all_is_there_and_nothing_runs_over(width, text, rows, tmp_path):
    found = look(tmp_path, text, rows, width)
    assert found["width"] == width
    assert found["missing"] == []
    assert found["images"] == [300, page.WIDEST]
    assert found["out"] == []
    assert found["scroll"] == width
    assert found["small"] == 0


@needs_browser
def test_the_browser_sees_what_is_wrong(text, rows, tmp_path):
    """The check above can fail: a wide box, a claim without its anchor and a broken image are found."""
    broken = text.replace("<main>", '<main><div style="width: 2000px">wide</div>', 1)
    broken = broken.replace('<article id="optimal">', "<article>")
    broken = re.sub(r"base64,[A-Za-z0-9+/]{40}", "base64,AAAA", broken, count=1)
    found = look(tmp_path, broken, rows, 390)
    assert found["out"] == ["DIV: wide"]
    assert found["scroll"] > 390
    assert found["missing"] == ["optimal"]
    assert found["images"][0] == 0


@needs_browser
def test_light_and_dark_are_drawn(text, tmp_path):
    """A screenshot's corner has the ground of its scheme."""
    for option, ground in ((), (255, 255, 255)), (("--blink-settings=preferredColorScheme=0",), (20, 20, 19)):
        file = tmp_path / "shot.png"
        browse(tmp_path, "page", text, *option, "--window-size=800,600", f"--screenshot={file}")
        with Image.open(file) as opened:
            assert opened.convert("RGB").getpixel((2, 2)) == ground
            assert opened.size == (800, 600)
        file.unlink()


def test_pictures_are_embedded_as_they_are(text, pictures):
    data = re.findall(r"base64,([^\"]*)\"", text)
    assert [base64.b64decode(each) for each in data] == [pictures["optimal"][0].png, pictures["angle-falls"][0].png]


def test_every_command_in_a_formula_is_known():
    """Else its name would stand in the formula."""
    steps = [step.step.text for claim in all_claims() for step in judge(claim, 8).steps]
    commands = set(re.findall(r"\\([a-zA-Z]+)", " ".join(steps)))
    functions = {"sin", "cos", "tan", "cot", "log", "min", "max", "arcsin", "arccos", "det"}
    assert commands - set(mathtext.SYMBOLS) - functions <= {"frac", "sqrt", "bar", "mathbb", "operatorname"}
    assert mathtext.to_html(r"$(4, \pm 3)$ and $\bar\theta$").count("±") == 1
    assert "θ\u0304" in mathtext.to_html(r"$\bar\theta^2$")
