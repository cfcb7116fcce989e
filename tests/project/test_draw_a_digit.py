"""The page of to_html in a browser: it answers as Python does, and one can draw on it."""

import base64
import json
import math
import os

import numpy as np
import pytest

from mlpcore import Distortion, NeuralNetMLP, load_digits, load_mnist
from mlpcore._html_page import FORMULAS
from mlpcore.engine.registry import ACTIVATIONS

MNIST = os.environ.get("MLPCORE_DATA")
X, Y = load_digits()
NONE = "\u2013"  # a dash, where there is no answer
ALL = """([text, type]) => {
    const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));
    const numbers = new globalThis[type](bytes.buffer), n = mlpcore.model.layers[0].n_in;
    return JSON.stringify(Array.from({length: numbers.length / n}, (_, i) => {
        const answer = mlpcore.predict(numbers.subarray(i * n, i * n + n));
        return [answer.indices, answer.probabilities];
    }));
}"""


@pytest.fixture
def open_page(browser, tmp_path):
    """Return a function that writes the page of a model and opens it; no page may raise an error
    or ask for another file."""
    faults, contexts = [], []

    def open_it(model, *, browser_options=None, **options):
        path = tmp_path / "page.html"
        model.to_html(path, **options)
        context = browser.new_context(**(browser_options or {}))
        contexts.append(context)
        context.set_default_timeout(120_000)  # for a busy machine
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("file:", "data:")) or faults.append(request.url)
            ),
        )
        page.goto(path.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert faults == []


def assert_same(page, model, rows, tolerance):
    """Assert that the page has Python's labels and probabilities."""
    kind = {"u": "Uint8Array", "f": f"Float{8 * rows.itemsize}Array"}[rows.dtype.kind]
    answers = []
    for start in range(0, len(rows), 1000):
        text = base64.b64encode(rows[start : start + 1000].tobytes()).decode()
        answers += json.loads(page.evaluate(ALL, [text, kind]))
    indices, probabilities = zip(*answers, strict=True)
    expected = model.predict_proba(rows)
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=tolerance)
    predicted = model.predict(rows)
    if predicted.ndim == 2:
        assert [list(np.flatnonzero(row)) for row in predicted] == list(indices)
    else:
        classes = page.evaluate("mlpcore.model.classes")
        assert [classes[i] for (i,) in indices] == [str(label) for label in predicted.tolist()]


# The answers


@pytest.mark.skipif(not MNIST, reason="MLPCORE_DATA does not name a folder with MNIST")
def test_all_test_images_of_mnist(open_page):
    rows, labels = load_mnist(MNIST, kind="train", scale=False)
    model = NeuralNetMLP(
        n_hidden=100,
        l2=0.01,
        epochs=10,
        eta=0.0005,
        minibatch_size=100,
        seed=1,
        input_scale=(2 / 255, -1),
    )
    page = open_page(model.fit(rows, labels))
    assert page.evaluate("[mlpcore.model.empty, mlpcore.model.ink]") == [0, 255]
    rows, labels = load_mnist(MNIST, kind="test", scale=False)
    assert len(rows) == 10_000
    assert_same(page, model, rows, 1e-6)
    draw_all_digits(page)


def test_all_digits_of_the_package(open_page):
    model = NeuralNetMLP(n_hidden=50, epochs=30, eta=0.005, minibatch_size=20, seed=1).fit(X, Y)
    page = open_page(model)
    assert page.evaluate("[mlpcore.model.empty, mlpcore.model.ink]") == [-1, 1]
    assert_same(page, model, X, 1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name in FORMULAS])
def test_every_activation(activation, dtype, open_page):
    """Weights that let the units work in all their range."""
    rng = np.random.default_rng(3)
    shapes = [(64, 9), (9, 8), (8, 10)]
    model = NeuralNetMLP(
        n_hidden=(9, 8),
        activation=(activation, "tanh" if activation == "identity" else activation),
        epochs=1,
        eta=1e-30,
        dtype=dtype,
        coefs_init=[rng.normal(size=shape) * 2 / math.sqrt(shape[0]) for shape in shapes],
        intercepts_init=[rng.normal(size=shape[1]) for shape in shapes],
    )
    rows = X[:300].astype(dtype)
    page = open_page(model.fit(rows, Y[:300]))
    assert np.ptp(model.predict_proba(rows), axis=0).max() > 0.02
    assert_same(page, model, rows, 1e-6 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("labels", "options"),
    [
        (Y, {}),
        (Y, {"out_activation": "logistic"}),
        (Y % 2, {}),
        (Y * 0, {}),
        (np.array(["odd", "even"])[Y % 2], {}),
        (np.stack([Y % 2, Y > 4, Y == 3], axis=1).astype(int), {}),
        (Y, {"hidden_layer_sizes": (), "out_activation": "logistic"}),
        (Y, {"hidden_layer_sizes": (20, 7, 9), "activation": ("gelu", "elu", "silu")}),
    ],
    ids=["classes", "logistic", "two", "one", "text", "several", "no hidden layer", "deep"],
)
def test_classifier_of_scikit_learn(labels, options, dtype, open_page):
    sklearn = pytest.importorskip("mlpcore.sklearn", reason="scikit-learn is not installed")
    model = sklearn.MLPClassifier(
        **{"hidden_layer_sizes": 20, **options}, max_iter=4, learning_rate="cosine", random_state=1
    )
    rows = ((X + 1) / 2).astype(dtype)
    page = open_page(model.fit(rows, labels))
    assert page.evaluate("[mlpcore.model.empty, mlpcore.model.ink]") == [0, 1]
    assert_same(page, model, rows, 1e-6 if dtype == "float32" else 1e-13)


def test_activations_that_round_to_zero(open_page):
    """Logistic output units far below every class: the smallest normal number stands for them."""
    sklearn = pytest.importorskip("mlpcore.sklearn", reason="scikit-learn is not installed")
    model = sklearn.MLPClassifier(4, out_activation="logistic", max_iter=1, learning_rate="cosine")
    model.fit(X, Y)
    model.coefs_[-1][:] = 0
    model.intercepts_[-1][:] = [-200, -80, -86, -87, -88, -89, -90, -500, -80.5, -81]
    assert_same(open_page(model), model, X[:2], 2e-5)  # the range of float32 ends there


# The image


def ink(page, lines):
    """The ink of lines in pixels, as an image."""
    numbers = page.evaluate("lines => Array.from(mlpcore.rasterise(lines))", lines)
    height, width = page.evaluate("[mlpcore.model.height, mlpcore.model.width]")
    return np.array(numbers).reshape(height, width)


def centre_of_mass(image):
    return [
        np.average(np.arange(n) + 0.5, weights=image.sum(axis=1 - axis))
        for axis, n in enumerate(image.shape)
    ]


def blank_model(n_features, **options):
    """A model that took an epoch on random pixels from 0 to 1."""
    rows = np.random.default_rng(0).uniform(size=(40, n_features)) ** 4
    return NeuralNetMLP(n_hidden=5, epochs=1, seed=0, **options).fit(rows, np.arange(40) % 2)


@pytest.mark.parametrize("shift", [0, 9])
@pytest.mark.parametrize("size", [4.0, 8.0, 16.0])
def test_a_drawing_becomes_an_image_as_those_of_mnist(size, shift, open_page):
    """An L of any size at any place: 20 pixels high, and its centre of mass in the middle."""
    page = open_page(blank_model(784))
    left, top = 2.0 + shift, 3.0
    image = ink(page, [[[left, top], [left, top + size], [left + size / 2, top + size]]])
    rows, columns = (np.flatnonzero(image.max(axis=axis) > 0.5) for axis in (1, 0))
    assert abs(np.ptp(rows) + 1 - 20) <= 1
    assert abs(np.ptp(columns) + 1 - (17 / 2 + 3)) <= 1
    assert np.allclose(centre_of_mass(image), 14, atol=0.1)
    assert image.min() >= 0
    assert image.max() == pytest.approx(1, abs=0.01)
    # Lines are 3 pixels wide.
    assert image[rows[0] + 5].sum() == pytest.approx(3, abs=0.1)


def test_wide_and_high_drawings_and_dots(open_page):
    page = open_page(blank_model(784))
    wide = ink(page, [[[3, 9], [25, 9]]])
    np.testing.assert_allclose(wide, ink(page, [[[9, 3], [9, 25]]]).T, atol=0.05)
    assert wide.sum() == pytest.approx(17 * 3 + math.pi * 1.5**2, rel=0.01)
    dot = ink(page, [[[3, 9]]])
    assert dot.sum() == pytest.approx(math.pi * 1.5**2, rel=0.02)
    assert np.allclose(centre_of_mass(dot), 14, atol=0.1)
    assert ink(page, []).max() == 0


def test_images_of_other_shapes(open_page):
    page = open_page(blank_model(20 * 30), image_shape=(20, 30))
    image = ink(page, [[[3, 9], [25, 9]], [[14, 2], [14, 16]]])
    assert image.shape == (20, 30)
    assert np.allclose(centre_of_mass(image), (10, 15), atol=0.1)
    box = page.locator("#sheet").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(1.5, abs=0.02)
    # That of the model, where it has one.
    page = open_page(blank_model(20 * 30, image_shape=(30, 20)))
    assert page.evaluate("[mlpcore.model.height, mlpcore.model.width]") == [30, 20]


def test_pixels_are_numbers_as_in_fit(open_page):
    page = open_page(blank_model(64), pixel_range=(255, 3))
    half = page.evaluate("Array.from(mlpcore.pixels(Array(64).fill(0.5)))")
    assert half == [129] * 64
    # Dark paper and bright ink, as the data have it.
    page = open_page(NeuralNetMLP(epochs=1, seed=0).fit(-X, Y))
    assert page.evaluate("[mlpcore.model.empty, mlpcore.model.ink]") == [1, -1]


# The hand


def arc(x, y, width, height, start, end):
    """Points on an ellipse, by angles in degrees from the right, clockwise."""
    angles = np.radians(np.linspace(start, end, 16))
    return [(x + width * math.cos(a), y + height * math.sin(a)) for a in angles]


# Lines along the middle of digits, in a square of side 1 with its origin above on the left.
DIGITS = {
    0: [arc(0.5, 0.5, 0.32, 0.45, -90, -450)],
    1: [[(0.35, 0.2), (0.52, 0.05), (0.52, 0.95)]],
    2: [[*arc(0.5, 0.3, 0.28, 0.25, -170, 30), (0.2, 0.93), (0.82, 0.93)]],
    3: [arc(0.45, 0.28, 0.27, 0.23, -150, 80) + arc(0.45, 0.72, 0.3, 0.24, -80, 150)],
    4: [[(0.6, 0.05), (0.2, 0.62), (0.85, 0.62)], [(0.65, 0.35), (0.62, 0.97)]],
    5: [[(0.78, 0.06), (0.3, 0.06), (0.26, 0.45), *arc(0.48, 0.66, 0.28, 0.28, -130, 140)]],
    6: [[(0.65, 0.05), (0.36, 0.4), *arc(0.5, 0.7, 0.23, 0.24, 180, -180)]],
    7: [[(0.18, 0.08), (0.8, 0.08), (0.42, 0.95)]],
    8: [arc(0.5, 0.27, 0.22, 0.2, 90, -270) + arc(0.5, 0.72, 0.27, 0.24, -90, 270)],
    9: [[*arc(0.48, 0.3, 0.24, 0.24, 0, -360), (0.72, 0.3), (0.66, 0.95)]],
}


def draw(page, lines, size=0.8, left=0.1, top=0.1):
    """Draw with the mouse, and wait for the answer."""
    box = page.locator("#sheet").bounding_box()
    for line in lines:
        points = [
            (
                box["x"] + box["width"] * (left + size * x),
                box["y"] + box["height"] * (top + size * y),
            )
            for x, y in line
        ]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()
    settle(page)


def settle(page):
    """Wait until the page has answered: it does so before the second picture from now on."""
    page.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => "
        "requestAnimationFrame(done))))"
    )


def answer(page):
    return page.locator("#label").inner_text()


def draw_all_digits(page):
    places = [{}, {"size": 0.4, "left": 0.5}, {"size": 0.5, "top": 0.4}]
    for digit, lines in DIGITS.items():
        draw(page, lines, **places[digit % 3])
        assert answer(page) == str(digit)
        page.click("#clear")


@pytest.fixture(scope="module")
def model():
    """A model that has seen digits in many shapes."""
    distortion = Distortion(
        rotation=15, scale=0.2, shear=15, translation=0.7, elastic=0.4, smoothness=2, thickness=0.3
    )
    return NeuralNetMLP(
        n_hidden=100, l2=0.01, epochs=150, eta=0.005, minibatch_size=20, seed=1, augment=distortion
    ).fit(X, Y)


def test_digits_drawn_with_the_mouse_are_recognised(model, open_page):
    draw_all_digits(open_page(model))


def test_bars_and_words_follow_the_hand(model, open_page):
    page = open_page(model)
    assert answer(page) == NONE
    meters = page.get_by_role("meter")
    assert [meters.nth(i).get_attribute("aria-label") for i in range(10)] == list("0123456789")
    assert {meters.nth(i).get_attribute("aria-valuenow") for i in range(10)} == {"0.0"}
    picture = "document.getElementById('units').toDataURL()"
    empty = page.evaluate(picture)
    draw(page, DIGITS[7])
    values = [float(meters.nth(i).get_attribute("aria-valuenow")) for i in range(10)]
    assert np.argmax(values) == 7
    assert sum(values) == pytest.approx(100, abs=0.5)
    widths = page.locator(".fill").evaluate_all(
        "bars => bars.map(bar => parseFloat(bar.style.width))"
    )
    np.testing.assert_allclose(widths, values, atol=0.051)
    said = page.locator("#said").inner_text()
    assert said == f"7, {values[7]:.1f} %"
    assert page.evaluate(picture) != empty
    # The bars move while the line is being drawn.
    page.click("#clear")
    box = page.locator("#sheet").bounding_box()
    page.mouse.move(box["x"] + 90, box["y"] + 30)
    page.mouse.down()
    settle(page)
    bars = page.locator("#classes")
    before = bars.inner_text()
    page.mouse.move(box["x"] + 90, box["y"] + 200)
    settle(page)
    assert bars.inner_text() != before
    page.mouse.up()


def test_undo_and_clear(model, open_page):
    page = open_page(model)
    assert page.locator("#undo").is_disabled()
    assert page.locator("#clear").is_disabled()
    draw(page, DIGITS[7])
    draw(page, [[(0.3, 0.5), (0.7, 0.5)]])
    draw(page, [[(0.1, 0.9), (0.9, 0.9)]])
    count = "mlpcore.lines.length"
    assert page.evaluate(count) == 3
    page.click("#undo")
    assert page.evaluate(count) == 2
    page.keyboard.press("Control+z")
    settle(page)
    assert page.evaluate(count) == 1
    assert answer(page) == "7"
    page.keyboard.press("Backspace")
    settle(page)
    assert page.evaluate(count) == 0
    assert answer(page) == NONE
    assert page.locator("#undo").is_disabled()
    draw(page, DIGITS[4])
    page.keyboard.press("Delete")
    assert page.evaluate(count) == 0
    draw(page, DIGITS[4])
    page.click("#clear")
    assert page.evaluate(count) == 0


def test_drawing_on_the_keyboard(model, open_page):
    page = open_page(model)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "sheet"

    def press(*keys):
        for key in keys:
            page.keyboard.press(key)

    press(*["Shift+ArrowLeft"] * 3, " ", *["Shift+ArrowRight"] * 5)
    press(*["Shift+ArrowDown", "Shift+ArrowDown", "ArrowLeft", "ArrowLeft"] * 3, " ")
    settle(page)
    assert page.evaluate("mlpcore.lines.length") == 1
    assert answer(page) == "7"
    assert page.locator("#said").inner_text().startswith("7, ")
    press("ArrowUp", "ArrowUp")  # the pen is lifted
    assert page.evaluate("mlpcore.lines.length") == 1
    press("Tab")
    assert page.evaluate("document.activeElement.id") == "undo"
    press("Enter")
    settle(page)
    assert answer(page) == NONE


@pytest.mark.parametrize("kind", ["touch", "pen"])
def test_finger_and_pen(kind, model, open_page):
    page = open_page(
        model, browser_options={"has_touch": True, "viewport": {"width": 390, "height": 844}}
    )
    box = page.locator("#sheet").bounding_box()
    session = page.context.new_cdp_session(page)

    def send(stage, *points):
        if kind == "touch":
            touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
            session.send(
                "Input.dispatchTouchEvent", {"type": f"touch{stage}", "touchPoints": touches}
            )
            return
        name = {"Start": "Pressed", "Move": "Moved", "End": "Released"}[stage]
        x, y = points[0] if points else (0, 0)
        event = {"type": f"mouse{name}", "x": x, "y": y, "button": "left", "buttons": 1}
        session.send("Input.dispatchMouseEvent", {**event, "clickCount": 1, "pointerType": "pen"})

    for line in DIGITS[3]:
        points = [
            (box["x"] + box["width"] * (0.1 + 0.8 * x), box["y"] + box["height"] * (0.1 + 0.8 * y))
            for x, y in line
        ]
        send("Start", points[0])
        for point in points[1:]:
            # A palm that rests on the sheet draws nothing.
            send("Move", point, *([(box["x"] + 5, box["y"] + 5)] if kind == "touch" else []))
        send("End")
    settle(page)
    assert page.evaluate("mlpcore.lines.length") == 1
    assert answer(page) == "3"
    assert page.evaluate("scrollY") == 0


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_its_screen(width, scheme, open_page):
    size = {"width": width, "height": 800}
    model = NeuralNetMLP(n_hidden=130, epochs=1, seed=0)
    names = np.array([f"quite a long name of class {i}" for i in range(30)])
    model.fit(X, names[(Y * 3) % 30])
    page = open_page(model, browser_options={"viewport": size, "color_scheme": scheme})
    draw(page, DIGITS[3])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#units-heading").inner_text().endswith("(100 of 130)")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(json.loads(f"[{background[4:-1]}]")) < 200) == (scheme == "dark")


def test_labels_are_shown_as_they_are(open_page):
    names = np.array(["</script><b id=bold>", '"a" & <!--', "größer", "\\u003c"], object)
    model = NeuralNetMLP(n_hidden=5, epochs=1, seed=0).fit(X, names[Y % 4])
    page = open_page(model)
    assert sorted(page.locator(".name").all_inner_texts()) == sorted(names)
    assert page.locator("#bold").count() == 0
    assert page.title() == "Draw an image"
