"""Uses a turnover's report in Chromium as a person does, from the disk.

Usage: report_page.py INDEX.html EXPECTED.json SHOTS

EXPECTED: {"texts": [...], "links": [...], "player": {...}, "labels": [...], "no_labels": [...]}. Every text can be read
on the page, every link's file is there. With `player` the first clip is played and stepped, notes are written, exported,
read again by pycmx. `labels` are [frame, timecode] of the first clip at
29.97 frames a second, `no_labels` timecodes that it does not have.
SHOTS is the folder for screenshots. Exit code 0 when all is as it should be, else a traceback.
"""

import base64
import json
import shutil
import sys
import tempfile
import urllib.parse
from pathlib import Path

import pycmx
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"


class Page:
    def __init__(self, index, downloads):
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"):
            options.add_argument(argument)
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = shutil.which("chromedriver")
        assert driver, "`make deps` installs the browser and its driver"
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.address = Path(index).resolve().as_uri()
        self.downloads = downloads
        self.requests = []
        self.media("light")
        self.driver.get(self.address)

    def media(self, scheme, media="screen"):
        features = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def width(self, width):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def find(self, css, within=None):
        return (within or self.driver).find_element(By.CSS_SELECTOR, css)

    def all(self, css, within=None):
        return (within or self.driver).find_elements(By.CSS_SELECTOR, css)

    def clip(self, number):
        """A clip that is in sight, with what is made for it then."""
        clip = self.find(f"#clip-{number}")
        self.run("arguments[0].scrollIntoView()", clip)
        self.until("its fields are made", lambda: self.all(".check", clip))
        return clip

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, what, condition):
        WebDriverWait(self.driver, 30, 0.05).until(lambda _: condition(), what)

    def asked(self):
        """Every address that was asked for so far."""
        for line in self.driver.get_log("performance"):
            message = json.loads(line["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
        return self.requests

    def open_all(self):
        """Shows what is folded away or not drawn until it is near."""
        self.run(
            "dispatchEvent(new Event('beforeprint'));"
            "const sheet = new CSSStyleSheet(); sheet.replaceSync('*{content-visibility:visible!important}');"
            "document.adoptedStyleSheets = [sheet];"
        )

    def shot(self, path):
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return document.documentElement.clientWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 12000), "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        path.write_bytes(base64.b64decode(shot["data"]))

    def download(self, name, button):
        path = self.downloads / name
        path.unlink(missing_ok=True)
        self.find(button).click()
        self.until(f"{name} arrives", lambda: path.exists() and path.stat().st_size > 0)
        return path.read_bytes().decode()


def main():
    index, expected, shots = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3])
    shots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as downloads:
        page = Page(index, Path(downloads))
        try:
            nothing_is_loaded_early(page)
            if "player" in expected:
                a_clip_is_played(page, expected["player"])
                a_field_is_judged(page, expected["player"])
                notes_are_kept_and_exported(page, expected["player"])
                changes_are_filtered(page)
                shortcuts_are_told(page)
            if "plays" in expected:
                a_clip_is_played(page, expected["plays"])
            if "labels" in expected:
                labels_are_the_cuts(page, expected["labels"], expected["no_labels"])
            everything_is_there(page, index, expected)
            anyone_can_read_it(page, shots)
            it_prints(page, shots)
            it_is_quiet(page)
            it_works_without_storage(page)
            nothing_else_may_run(page)
        finally:
            page.driver.quit()


def nothing_is_loaded_early(page):
    assert not [url for url in page.asked() if url.endswith((".mp4", ".mov", ".wav"))], page.requests


def label(frame, rate=24):
    seconds = frame // rate
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frame % rate:02}"


def told(page, clip):
    return page.find("[data-is=record]", clip).text, page.find("[data-is=source]", clip).text


def shows(page, clip, frame, player):
    """The label and what the browser really put on the screen."""
    group, video = page.find(".player", clip), page.find("video", clip)
    expected = label(player["record"] + frame), str(player["source"] + frame)

    def there():
        media = group.get_attribute("data-media")
        return media is not None and abs(float(media) * 24 - frame) < 0.01 and told(page, clip) == expected

    page.until(f"frame {frame} is shown", there)
    time = page.run("return arguments[0].currentTime", video)
    assert int(time * 24) == frame and abs(time * 24 - frame - 0.5) < 0.01, (time, frame)


def goes(page, clip, text):
    field = page.find("[data-do=go] input", clip)
    field.clear()
    field.send_keys(text, Keys.ENTER)


def a_clip_is_played(page, player):
    clip = page.clip(1)
    video = page.find("video", clip)
    assert page.run("return arguments[0].poster", video).endswith(".jpg")
    assert page.run("return arguments[0].autoplay || !arguments[0].paused", video) is False
    goes(page, clip, label(player["record"] + 37))
    shows(page, clip, 37, player)
    page.run("arguments[0].focus()", video)
    video.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    shows(page, clip, 40, player)
    video.send_keys(Keys.ARROW_LEFT)
    shows(page, clip, 39, player)
    video.send_keys("j")
    shows(page, clip, 15, player)
    video.send_keys(Keys.END)
    shows(page, clip, player["frames"] - 1, player)
    video.send_keys(Keys.HOME)
    shows(page, clip, 0, player)
    goes(page, clip, "12")
    shows(page, clip, 12, player)
    page.find("[data-do=on]", clip).click()
    shows(page, clip, 13, player)
    video.send_keys(" ")
    page.until("it plays", lambda: page.run("return arguments[0].currentTime > 0.8", video))
    assert page.find("[data-do=play]", clip).text == "Pause"
    video.send_keys("k")
    page.until("it stops", lambda: page.run("return arguments[0].paused", video))
    frame = int(page.run("return arguments[0].currentTime", video) * 24)
    page.until("its label follows", lambda: abs(int(told(page, clip)[1]) - player["source"] - frame) <= 1)


def a_field_is_judged(page, player):
    clip = page.clip(1)
    for text in ("00:00:00:00", "1:2", "9999", "01:00:00:24", "<b>"):
        goes(page, clip, text)
        assert "is not in this clip" in page.find(".player [role=status]", clip).text, text
        assert page.find("[data-do=go] input", clip).get_attribute("aria-invalid") == "true"
    goes(page, clip, label(player["record"]))
    shows(page, clip, 0, player)
    assert page.find("[data-do=go] input", clip).get_attribute("aria-invalid") is None


def labels_are_the_cuts(page, labels, no_labels):
    clip = page.clip(1)
    group = page.find(".player", clip)
    for frame, text in labels:
        goes(page, clip, text)

        def there():
            media = group.get_attribute("data-media")
            return media is not None and abs(float(media) * 30000 / 1001 - frame) < 0.01

        page.until(f"frame {frame} is shown", there)
        shown = group.get_attribute("data-frame"), told(page, clip)[0]
        assert shown == (str(frame), text), (shown, frame, text)
    for text in no_labels:
        goes(page, clip, text)
        assert "is not in this clip" in page.find(".player [role=status]", clip).text, text


def write(page, clip, frame, text, colour):
    goes(page, clip, str(frame))
    form = page.find("[data-do=add]", clip)
    page.find("input", form).send_keys(text)
    Select(page.find("select", form)).select_by_visible_text(colour)
    page.find("button", form).click()


def notes(page, clip):
    rows = page.all(".notes li", clip)
    return [(page.find("button", row).text, page.find("input", row).get_attribute("value")) for row in rows]


def notes_are_kept_and_exported(page, player):
    clip = page.clip(1)
    write(page, clip, 60, "FROM CLIP NAME: a|b <script>alert(2)</script>", "Red")
    write(page, clip, 24, "Hände zu spät", "Blue")
    write(page, clip, 30, "to be deleted", "Green")
    page.find(".notes li:nth-child(2) [data-do=delete]", clip).click()
    clip2 = page.clip(2)
    form = page.find("[data-do=add]", clip2)
    page.find("input", form).send_keys("x", Keys.ENTER)
    row = page.find(".notes li [data-is=text]", clip2)
    row.clear()
    row.send_keys("edited", Keys.TAB)
    page.find("[data-check=lip_sync]", clip).click()
    page.find(".sign [data-is=name]", clip).send_keys("Ada", Keys.TAB)
    page.run(
        "const field = arguments[0]; field.value = '2026-12-01'; field.dispatchEvent(new Event('change'))",
        page.find(".sign [data-is=date]", clip),
    )
    page.driver.refresh()
    clip = page.clip(1)
    record = player["record"]
    kept = [(label(record + 24), "Hände zu spät"), (label(record + 60), "FROM CLIP NAME: a|b <script>alert(2)</script>")]
    assert notes(page, clip) == kept, notes(page, clip)
    assert page.find("#tally").text == "3 notes, 1 of 3 clips signed", page.find("#tally").text
    package, take = player["package"], player["take"]
    text = page.download(f"{package}_notes.edl", "#export-notes")
    first, second = label(record + 24), label(record + 25)
    other = label(record + 60), label(record + 61)
    third = player["second_record"]
    assert text == (
        f"TITLE: {package}\r\nFCM: NON-DROP FRAME\r\n\r\n"
        f"001  001      V     C        {first} {second} {first} {second}  \r\n"
        f"Hände zu spät |C:ResolveColorBlue |M:{take}: Hände zu spät |D:1\r\n\r\n"
        f"002  001      V     C        {other[0]} {other[1]} {other[0]} {other[1]}  \r\n"
        f"'FROM CLIP NAME: a¦b <script>alert(2)</script> |C:ResolveColorRed"
        f" |M:{take}: FROM CLIP NAME: a¦b <script>alert(2)</script> |D:1\r\n\r\n"
        f"003  001      V     C        {label(third)} {label(third + 1)} {label(third)} {label(third + 1)}  \r\n"
        f"edited |C:ResolveColorBlue |M:{player['second_take']}: edited |D:1\r\n\r\n"
    ), text
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "notes.edl"
        copy.write_text(text)
        with copy.open() as opened:
            events = list(pycmx.parse_cmx3600(opened).events)
    assert [event.edits[0].record_in for event in events] == [first, other[0], label(third)], events
    signed = json.loads(page.download(f"{package}_signoff.json", "#export-signoff"))
    assert signed["schema"] == "seedpost.signoff/1" and signed["package"] == package
    one = signed["clips"][0]
    assert (one["take"], one["name"], one["date"], one["checks"]["lip_sync"]) == (take, "Ada", "2026-12-01", True), one
    assert one["notes"][0]["timecode"] == first and len(signed["clips"]) == 3
    page.find(".notes li:nth-child(2) button", clip).click()
    shows(page, clip, 60, player)


def changes_are_filtered(page):
    rows = lambda: [row.get_attribute("data-what") for row in page.all("#change-list tbody tr") if row.is_displayed()]
    before = rows()
    assert set(before) == {"unchanged", "moved", "re-rendered", "dropped"}, before
    page.find(".filter input[value=moved]").click()
    assert rows() == [what for what in before if what != "moved"], rows()
    page.find(".filter input[value=moved]").click()


def shortcuts_are_told(page):
    page.find(".player [data-do=back]", page.clip(1)).send_keys("?")
    assert page.find("#help").is_displayed()
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not page.find("#help").is_displayed()
    page.driver.refresh()
    page.find("body").send_keys(Keys.TAB)
    assert page.driver.switch_to.active_element.get_attribute("class") == "skip"
    assert page.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"


def everything_is_there(page, index, expected):
    page.open_all()
    text = page.find("body").text
    for words in expected["texts"]:
        assert words in text, words
    links = page.run("return [...document.querySelectorAll('[href],[src]')].map(one => one.href || one.src)")
    paths = [Path(urllib.parse.unquote(urllib.parse.urlsplit(link).path)) for link in links if link.startswith("file:")]
    folder = index.resolve().parent.parent
    missing = [path for path in paths if not path.exists()]
    assert not missing, missing
    assert all(path.is_relative_to(folder) for path in paths), paths
    there = {str(path.relative_to(folder)) for path in paths}
    assert set(expected["links"]) <= there, set(expected["links"]) - there


def anyone_can_read_it(page, shots):
    for scheme, width in (("light", 1200), ("dark", 1200), ("light", 400), ("dark", 400)):
        page.media(scheme)
        page.width(width)
        page.driver.refresh()
        page.open_all()
        page.run(AXE.read_text())
        only = {"runOnly": ["wcag2a", "wcag2aa"]}
        script = "const done = arguments[1]; axe.run(document, arguments[0]).then(done, one => done({violations: [String(one)]}))"
        result = page.driver.execute_async_script(script, only)
        told = json.dumps(result["violations"], indent=1, ensure_ascii=False)
        assert not result["violations"], f"{scheme} {width}: {told}"
        assert len(result["passes"]) > 15, len(result["passes"])
        page.run("document.querySelectorAll('img').forEach(one => one.loading = 'eager')")
        page.until("stills are here", lambda: page.run("return [...document.images].every(one => one.complete && one.naturalWidth > 0)"))
        page.shot(shots / f"{scheme}_{width}.png")
        wide = page.run("return document.documentElement.scrollWidth")
        assert wide <= width, f"{wide} across on {width}"
    page.width(1200)


def it_prints(page, shots):
    page.media("light", "print")
    for css in ("video", ".bar", "nav", ".notes form", ".filter", "#export-notes"):
        for one in page.all(css):
            assert not one.is_displayed(), css
    pdf = page.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
    (shots / "print.pdf").write_bytes(base64.b64decode(pdf["data"]))
    assert all(page.run("return [...document.querySelectorAll('details')].map(one => one.open)"))
    page.shot(shots / "print.png")
    page.media("light")


def it_is_quiet(page):
    allowed = ("file:", "data:", "blob:")
    outside = [url for url in page.asked() if not url.startswith(allowed)]
    assert page.requests and not outside, outside
    assert not page.driver.get_log("browser")


def it_works_without_storage(page):
    script = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied', 'SecurityError'); }})"
    told = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    page.driver.refresh()
    page.find("[data-check=rights]", page.clip(1)).click()
    assert "export notes and sign-off before you close it" in page.find("#said").text
    page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": told["identifier"]})
    page.driver.refresh()
    assert not page.driver.get_log("browser")


def nothing_else_may_run(page):
    script = """
      const done = arguments[0], found = [];
      document.addEventListener('securitypolicyviolation', one => {
        found.push(one.effectiveDirective);
        if (found.length === 3) done(found.sort());
      });
      const inline = document.createElement('script');
      inline.textContent = 'window.ran = true';
      document.body.append(inline);
      const image = new Image(); image.src = 'https://127.0.0.1:9/x.png'; document.body.append(image);
      fetch('https://127.0.0.1:9/').catch(() => {});
    """
    found = page.driver.execute_async_script(script)
    assert found == ["connect-src", "img-src", "script-src-elem"], found
    assert page.run("return window.ran") is None


if __name__ == "__main__":
    main()
