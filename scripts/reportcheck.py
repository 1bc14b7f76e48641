"""Looks at a page of `btfgen report` in a headless Chromium, as a person would: by eye (contrast, width), by keyboard, by search.

    reportcheck.py PAGE.html PICTURES      PICTURES: a folder for screenshots

Prints what it did; exit status 1 and the reason if something is not as it should be."""

import sys

from browser import Page

# The least contrast of text to its ground: WCAG 2.2, 1.4.3.
CONTRAST = 4.5

# What of the page is asked for in several places.
HELPERS = """
window.colour = (text) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  canvas.fillStyle = text;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
window.contrast = (a, b) => {
  const light = (text) => {
    const [r, g, b] = colour(text).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05);
};
window.ground = (node) => {
  for (; node; node = node.parentElement) {
    const text = getComputedStyle(node).backgroundColor;
    if (colour(text)[3] === 255) return text;
  }
  return "white";
};
window.faintest = () => Math.min(...[...document.querySelectorAll("h1, p, a, td, tbody th, th button, caption, label, .area, .inner, .hint, summary, #path *")]
  .filter((node) => node.offsetWidth && node.textContent).slice(0, 3000).map((node) => contrast(getComputedStyle(node).color, ground(node))));
window.focused = () => document.activeElement.getAttribute("aria-label") ?? document.activeElement.id ?? document.activeElement.textContent;
window.where = () => [...document.querySelectorAll("#path > *")].map((node) => node.textContent).join("/");
window.column = (table, n) => [...document.querySelectorAll(`#${table} tbody tr`)].map((row) => row.children[n].textContent);
window.numbers = (table, n) => column(table, n).map((text) => Number(text.replaceAll(",", "")));
"""


def demand(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def press_until(page, key, expression, what, most=60):
    """Presses a key until an expression is true."""
    for _ in range(most):
        if page.value(expression):
            return
        page.press(key)
    raise SystemExit(f"FAILED: {what}: not reached by {key}")


def looks(page, path, pictures):
    """Text can be read in both colours, nothing sticks out at any width."""
    faintest = []
    for width, height in ((1400, 1000), (420, 900), (320, 640)):
        for scheme in ("light", "dark"):
            page.look(width, height, scheme)
            page.open(path)
            page.value(HELPERS)
            demand(page.complaints() == [], f"{width} {scheme}: {page.complaints()}")
            wide = page.value("document.scrollingElement.scrollWidth")
            demand(wide <= width, f"{width} {scheme}: the page is {wide} wide")
            contrast = page.value("faintest()")
            demand(contrast >= CONTRAST, f"{width} {scheme}: contrast of text {contrast:.2f}")
            is_dark = page.value("colour(ground(document.body))[0] < 64")
            demand(is_dark == (scheme == "dark"), f"{scheme}: the ground is not")
            faintest.append(contrast)
            page.picture(f"{pictures}/{width}-{scheme}.png")
    print(f"looks: contrast at least {min(faintest):.1f}, no wider than the window from 320 pixels on")


def areas(page):
    """The map is full, and areas are as large as their bytes."""
    page.look(1400, 1000, "light")
    error = page.value("""
      (() => {
        const map = document.getElementById("map");
        const all = place => place.children.reduce((sum, node) => sum + node.bytes, 0);
        return Math.max(...[...map.children].map((button, i) =>
          Math.abs((button.offsetWidth * button.offsetHeight) / (map.clientWidth * map.clientHeight) - areas[i].node.bytes / all(areas[i].node.parent))));
      })()""")
    demand(error < 0.005, f"an area is off by {error:.3%} of the map")
    demand(page.value("data.files.reduce((sum, file) => sum + file.bytes, 0) === root.bytes"), "the map's bytes are not those of the files")
    leaves = "(function sum(node) { return node.children.length ? node.children.reduce((s, n) => s + sum(n), 0) : node.bytes; })(root)"
    demand(page.value(f"{leaves} === root.bytes"), "the leaves are not all bytes")
    print(f"map: {page.value('areas.length')} areas, off by at most {error:.3%} of the whole")


def keyboard(page):
    """Everything can be reached and used without a mouse."""
    page.value("document.activeElement.blur()")
    press_until(page, "Tab", "document.activeElement.classList.contains('area')", "the map")
    start = page.value("focused()")
    top = page.value("where()")
    for key in ("End", "Home"):
        page.press(key)
    demand(page.value("document.activeElement === areas[0].button"), "Home does not lead to the first area")
    seen = {start}
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft"):
        page.press(key)
        seen.add(page.value("focused()"))
    demand(len(seen) > 1 or page.value("areas.length") == 1, f"arrows do not move: {seen}")
    demand(page.value("document.querySelectorAll('#map [tabindex=\"0\"]').length") == 1, "more than one area is reached by Tab")
    demand(page.value("document.getElementById('about').textContent") == page.value("focused()"), "what is focused is not described")
    page.press("Home")
    first, depth = page.value("focused()"), 0
    while page.value("areas.find((a) => a.button === document.activeElement).node.children.length > 0"):
        page.press("Enter")
        depth += 1
        demand(page.value("document.activeElement.classList.contains('area')"), "Enter loses the focus")
    demand(depth > 0, "Enter goes nowhere")
    page.press("Enter")
    for _ in range(depth):
        page.press("Escape")
    demand(page.value("where()") == top and page.value("focused()") == first, "Escape does not lead back")
    press_until(page, "Tab", "document.activeElement.closest('#files thead') !== null", "the table of files")
    name, bytes_before = page.value("column('files', 0)"), page.value("numbers('files', 1)")
    demand(bytes_before == sorted(bytes_before, reverse=True), "files are not in the order of their bytes")
    page.press("Enter")
    demand(page.value("column('files', 0)") == sorted(page.value("column('files', 0)")), "files are not sorted by name")
    demand(page.value("document.querySelector('#files th[aria-sort]').textContent") == "File", "aria-sort is elsewhere")
    page.press("Enter")
    down = page.value("column('files', 0)")
    demand(down == sorted(down, reverse=True), "the order is not reversed")
    demand(page.value("document.querySelector('#files th[aria-sort]').getAttribute('aria-sort')") == "descending", "aria-sort says something else")
    page.press("Tab", "Enter")
    demand(page.value("column('files', 0)") == name, "the first order does not come back")
    print(f"keyboard: {len(seen)} areas by arrows, {depth} levels in and out, tables sorted")


def search(page):
    """What is searched for is left, and all of it."""
    page.value("document.activeElement.blur(); scrollTo(0, 0)")
    page.press("/")
    demand(page.value("document.activeElement.id") == "search", "/ does not lead to the search")
    word = page.value("data.files.map((file) => file.path.split('/').pop().replace('.ko', '').toLowerCase()).find((name) => /^[a-z_][a-z0-9_-]{2,}$/.test(name) && name !== 'vmlinux')")
    page.type(word)
    demand(page.value("document.getElementById('search').value") == word, "what was typed is not there")
    expected = page.value(f"data.files.filter((file) => file.path.toLowerCase().includes({word!r})).map((file) => file.path).sort()")
    page.value("files.showAll()")
    demand(sorted(page.value("column('files', 0)")) == expected, f"searching {word}: {page.value('column(`files`, 0)')}")
    demand(page.value("document.getElementById('hits').textContent").startswith(f"{len(expected)} files"), "the number of hits")
    dim = page.value("areas.filter((area) => area.button.classList.contains('dim')).length")
    lit = page.value(f"new Set(data.files.filter((file) => file.path.toLowerCase().includes({word!r})).map((file) => file.path.split('/')[0])).size")
    demand(dim + lit == page.value("areas.length"), f"{dim} areas are dim and {lit} should not be")
    page.value("document.getElementById('search').value = 'no such thing'; search()")
    demand(page.value("document.querySelectorAll('tbody tr').length - document.querySelectorAll('#reasons tr').length") == 0, "rows without a match")
    page.value("document.getElementById('search').value = ''; search()")
    print(f"search: `{word}` finds {len(expected)} files")


def lists(page):
    """The files that a type is in are listed when they are asked for."""
    if page.value("data.types.length") == 0:
        return
    page.value("document.querySelector('#types details').open = true; 0")
    page.value("new Promise((done) => setTimeout(done, 100))")
    demand(page.value("document.querySelectorAll('#types details[open] li').length === Math.max(...data.types.map((t) => t.files.length))"), "the list of files")
    total = page.value("data.functions.reduce((sum, [, , names]) => sum + names.length, 0)")
    page.value("functions.showAll()")
    demand(page.value("document.querySelectorAll('#functions tbody tr').length") == total, "not all functions are shown")
    print(f"lists: {page.value('data.types.length')} types, {total} functions")


def main():
    path, pictures = sys.argv[1:]
    with Page() as page:
        looks(page, path, pictures)
        areas(page)
        keyboard(page)
        search(page)
        lists(page)
        demand(page.value("window.evil") is None, "a name was executed")
        demand(page.complaints() == [], page.complaints())
    print("as it should be")


if __name__ == "__main__":
    main()
