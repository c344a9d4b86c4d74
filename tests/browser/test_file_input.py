"""A learner's file in the browser: a large one is refused before it is sent, and the view goes on."""

SOURCE = ["from seqlab.one_layer.certificate_view import CertificateView\nCertificateView()"]
SLOW = """
import time
from seqlab.one_layer import certificate_view

def slow(text, watch, fast=certificate_view.certificate, **options):
    return fast(text, watch=lambda names: (time.sleep(0.005), watch(names)), **options)

certificate_view.certificate = slow
certificate_view.CertificateView()
"""
COUNT_BYTES = """() => {
    window.sent = 0;
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
        window.sent += data.length ?? data.byteLength ?? data.size;
        return send.call(this, data);
    };
}"""


def test_a_large_file_is_refused_before_it_is_sent_and_a_small_one_read(open_notebook, tmp_path):
    notebook = open_notebook(SOURCE)
    notebook.run_all()
    page = notebook.page
    page.evaluate(COUNT_BYTES)
    choose = page.locator(".jp-OutputArea input[type=file]")
    told = page.locator(".jp-OutputArea [role=alert]")

    big, photo, latin, good = (tmp_path / name for name in ("big.csv", "photo.png", "latin.csv", "good.csv"))
    big.write_text("1,the,DET\n" * 1_280_000)
    photo.write_bytes(b"\x89PNG" * 100)
    latin.write_bytes("sequence,token,label\n1,Ärger,N".encode("latin-1"))
    good.write_text("sequence,token,label\n1,sun,S\n1,moon,M")
    for file, why in ((big, "12.8 MB, the limit is 800.0 kB"), (photo, "should end with"), (latin, "not UTF-8")):
        choose.set_input_files(file)
        told.filter(has_text=f"{file.name} was not read").filter(has_text=why).wait_for()
    assert page.evaluate("() => window.sent") < 100_000
    choose.set_input_files(good)
    page.locator(".jp-OutputArea").filter(has_text="1 sequences, 2 tokens").first.wait_for()
    assert told.count() == 0
    assert notebook.errors() == [] == notebook.console


def test_the_keyboard_reaches_it_and_its_focus_shows(open_notebook):
    notebook = open_notebook(SOURCE)
    notebook.run_all()
    page, chosen = notebook.page, []
    page.on("filechooser", lambda chooser: chosen.append(chooser))  # long before the key: who listens late misses it
    page.locator(".jp-OutputArea select").first.focus()
    page.keyboard.press("Tab")
    look = "() => [document.activeElement.type, getComputedStyle(document.activeElement).outlineStyle]"
    assert page.evaluate(look) == ["file", "solid"]
    page.keyboard.press("Enter")
    for _ in range(100):
        page.wait_for_timeout(0 if chosen else 100)
    assert not chosen[0].is_multiple()


def test_a_long_certificate_is_stopped_with_the_keyboard(open_notebook, tmp_path):
    notebook = open_notebook([SLOW])
    notebook.run_all()
    page = notebook.page
    rows = [(i, f"w{(i // 2) * 60 + k}" if k else f"end{i}") for i in range(66) for k in range(60)]
    (tmp_path / "long.csv").write_text("\n".join(["sequence,token,label", *(f"{i},{word},L{i}" for i, word in rows)]))
    choose = page.locator(".jp-OutputArea input[type=file]")
    choose.set_input_files(tmp_path / "long.csv")
    stop = page.get_by_role("button", name="Stop", exact=True)
    stop.wait_for(timeout=10_000)
    stop.focus()
    page.keyboard.press("Enter")
    page.locator(".jp-OutputArea [role=alert]").filter(has_text="stopped before").wait_for()
    assert not stop.is_visible() and notebook.errors() == [] == notebook.console
