"""One control of a lab in the browser: move it, and see whether anything beside it changed."""

import time

BUSY = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'busy'"


class Control:
    """One control in an output: how to move it, and a digest of the pictures and words of its cell without itself."""

    def __init__(self, page, handle):
        self.page, self.handle = page, handle
        self.kind, self.name, self.cell = handle.evaluate("""(node) => {
            const own = node.closest('.jupyter-widgets:not(.widget-container)');
            const label = node.closest('label')
                || own?.querySelector('.widget-label, .jupyter-widgets-label')
                || node.closest('.widget-inline-hbox')?.querySelector('.widget-label');
            const foreign = node.closest('.widget-play, .modebar')
                || !node.closest('.jupyter-widgets, .seqlab-attention');
            const kind = !node.checkVisibility() ? null
                : node.matches('input[type=range], .noUi-handle') ? 'slider'
                : node.matches('select') ? 'dropdown'
                : node.matches('input[type=checkbox]') ? 'checkbox'
                : foreign ? null : 'button';
            const cell = notebook.widgets.findIndex((cell) => cell.node.contains(node));
            const said = node.matches('button') ? node.getAttribute('aria-label') || node.textContent.trim()
                : label?.textContent.trim();
            return [kind, said || node.title || '(no name)', cell];
        }""")

    def __repr__(self) -> str:
        return f"{self.kind} “{self.name}” in cell {self.cell}"

    def surroundings(self) -> str:
        """What the control's cell shows, apart from the control itself: text, canvas digests, drawings, images."""
        return self.handle.evaluate("""(node) => {
            const own = node.closest('.seqlab-slider, .seqlab-legend')
                || node.closest('.widget-slider, .widget-dropdown, .widget-checkbox, .widget-inline-hbox') || node;
            const area = notebook.widgets.find((cell) => cell.node.contains(node))?.outputArea.node;
            if (!area) return '';
            const parts = [], drawn = 'path, rect, circle, text, line, use, image, polygon';
            const walk = document.createTreeWalker(area, NodeFilter.SHOW_ALL, (child) =>
                own.contains(child) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
            for (let child = walk.nextNode(); child; child = walk.nextNode()) {
                if (child.nodeType === Node.TEXT_NODE) parts.push(child.data);
                else if (child.matches?.('canvas')) parts.push(child.dataset.digest, child.dataset.peak);
                else if (child.matches?.('img')) parts.push(child.src);
                else if (child.matches?.(drawn)) parts.push(child.outerHTML);
            }
            return parts.join('|');
        }""")

    def move(self, timeout: float = 5) -> bool:
        """Move the control, over its extremes if need be; True as soon as something beside it has changed.

        A slider whose own value does not follow the arrow keys counts as one that changes nothing; a control that an
        earlier move has hidden or replaced is left alone.
        """
        if not self.handle.evaluate("(node) => node.isConnected && node.checkVisibility() && !node.disabled"):
            return True
        if self.handle.evaluate("""(node) => {  // of a toggle that is down, press its neighbour first
            const other = node.matches('.widget-toggle-button.mod-active')
                && (node.nextElementSibling || node.previousElementSibling);
            if (other) other.click();
            return Boolean(other);
        }"""):
            self.page.wait_for_timeout(1000)
        before, values = self.surroundings(), {self._value()}
        for moves, _ in enumerate(self._moves(), 1):
            if self.kind == "slider":
                values.add(self._value())
                if moves == 2 and len(values) == 1:
                    return False
            if self._changed(before, timeout):
                return True
        return False

    def _value(self) -> str:
        return self.handle.evaluate("(node) => node.getAttribute('aria-valuenow') ?? node.value ?? ''")

    def _moves(self):
        self.handle.scroll_into_view_if_needed()
        if self.kind == "slider":
            for key in ("ArrowRight", "ArrowLeft", "End", "Home"):
                self.handle.focus()
                self.page.keyboard.press(key)
                yield
        elif self.kind == "dropdown":
            chosen, count = self.handle.evaluate("(node) => [node.selectedIndex, node.options.length]")
            for index in [*range(chosen + 1, count), *range(chosen + 1)]:
                self.handle.select_option(index=index)
                yield
        elif self.handle.evaluate("(node) => node.matches('.widget-toggle-buttons .mod-active')"):
            self.handle.evaluate("(node) => (node.nextElementSibling || node.previousElementSibling).click()")
            yield  # the chosen one of several toggles: leave it, then come back
            self.handle.click()
            yield
        else:
            for _ in range(2 if self.kind == "checkbox" else 1):
                self.handle.click()
                yield

    def _changed(self, before: str, timeout: float) -> bool:
        """Whether something changes within `timeout` seconds of an idle kernel; a busy one may still be drawing."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self.handle.evaluate("(node) => node.isConnected") or self.surroundings() != before:
                return True
            if self.page.evaluate(BUSY):
                deadline = time.monotonic() + timeout
            self.page.wait_for_timeout(50)
        return False
