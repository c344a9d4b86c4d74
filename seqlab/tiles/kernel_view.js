// KernelView in the browser: columns of code; the line under the pointer or the cursor lights what it became.

const STEPS = { ArrowUp: -1, ArrowDown: 1, PageUp: -20, PageDown: 20, Home: -1e9, End: 1e9 };
const HEIGHT = 16; // CSS pixels of a line, as in kernel_view.css

function make(tag, parent, attributes = {}, text = "") {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return parent.appendChild(node);
}

function render({ model, el, signal }) {
  const root = make("div", el, { class: "seqlab-kernel", "data-lm-suppress-shortcuts": "true" });
  const unique = `seqlab-${Math.random().toString(36).slice(2, 8)}`;
  const grid = make("div", root, { class: "seqlab-columns" });
  const said = make("div", root, { class: "seqlab-said", role: "status" });
  make("div", root, { class: "seqlab-hint" },
    "Point at a line, or press ↑ ↓ in a column and ← → between columns. A solid bar: the line itself; a double bar: it " +
    "calls the helper that is lit. ┃ marks the main loop; the letters name classes of the table.");
  let columns = [], pinned = null;

  function build() {
    grid.textContent = said.textContent = "";
    const groups = model.get("groups");
    columns = groups.flatMap((group, g) => group.columns.map((data) => column(group, g, data)));
    const widths = columns.map(({ data }) => (data.name === "Python" ? "1.4fr" : "1fr"));
    grid.style.gridTemplateColumns = widths.map((width) => `minmax(0, ${width})`).join(" ");
    follow();
  }

  function column(group, g, data) {
    const at = make("div", grid, { class: "seqlab-column" });
    const name = make("div", at, { class: "seqlab-name" });
    make("b", name, {}, model.get("groups").length > 1 ? `${group.title} · ${data.name}` : data.name);
    const count = make("span", name);
    const frame = make("div", at, { class: "seqlab-frame" });
    const code = make("div", frame, { class: "seqlab-code", tabindex: "0", role: "listbox", "aria-label": `${group.title}, ${data.name}` });
    const map = make("div", frame, { class: "seqlab-map", "aria-hidden": "true" });
    const body = make("div", code);
    const id = `${unique}-${g}-${data.name}`;
    const rows = data.text.map((text, i) => {
      const row = document.createElement("div");
      Object.assign(row, { className: "seqlab-line", id: `${id}-${i}` });
      row.setAttribute("role", "option");
      const gutter = document.createElement("i");
      gutter.textContent = data.kinds ? data.kinds[i] + (data.loop[i] === "1" ? " ┃" : "  ") : data.numbers[i];
      row.append(gutter, text);
      return row;
    });
    body.append(...rows);
    const chains = data.from.map((chain) => data.chains[chain]);
    const self = { group: g, title: group.title, data, code, map, rows, count, chains, lit: [] };
    code.addEventListener("mousemove", (event) => {
      const row = event.target.closest(".seqlab-line");
      if (row) light(self, rows.indexOf(row), code);
    });
    code.addEventListener("mouseleave", () => (pinned ? light(pinned.at, pinned.line, null) : null));
    code.addEventListener("click", (event) => {
      const row = event.target.closest(".seqlab-line");
      if (row) pin(self, rows.indexOf(row));
    });
    code.addEventListener("keydown", (event) => press(self, event));
    code.addEventListener("focus", () => pinned?.at === self || pin(self, self.cursor ?? self.lit[0] ?? 0));
    return self;
  }

  // ---- what is lit

  function light(at, line, keep) {
    const chain = at.chains[line] ?? [];
    const lines = chain.length ? [chain[0]] : [];
    const told = [];
    for (const other of columns) {
      if (other.group !== at.group) continue;
      for (const row of other.marked ?? []) row.classList.remove("seqlab-lit", "seqlab-caller");
      const python = other.data.name === "Python";
      other.lit = other.rows.flatMap((_, i) => ((python ? i === chain[0] : other.chains[i].includes(lines[0])) || (other === at && i === line) ? [i] : []));
      const callers = python ? chain.slice(1) : [];
      for (const i of other.lit) other.rows[i].classList.add("seqlab-lit");
      for (const i of callers) other.rows[i].classList.add("seqlab-caller");
      other.marked = [...other.lit, ...callers].map((i) => other.rows[i]);
      other.count.textContent = python ? `line ${lines.length ? other.data.numbers[lines[0]] : "—"}` : `${lines.length ? other.lit.length : 0} of ${other.rows.length} lines`;
      drawMap(other);
      if (other.code !== keep) reveal(other);
      if (!python) told.push(`${lines.length ? other.lit.length : 0} of ${other.data.name}`);
    }
    const python = columns.find((other) => other.group === at.group && other.data.name === "Python");
    said.textContent = lines.length
      ? `${model.get("groups").length > 1 ? `${at.title}, ` : ""}line ${python.data.numbers[lines[0]]}: ${python.data.text[lines[0]].trim()} → ${told.join(", ")}`
      : `this line of ${at.data.name} has no line of Python`;
  }

  function runs(lines) {
    const found = [];
    for (const i of lines) {
      const last = found[found.length - 1];
      if (last && i - last[1] <= 1) last[1] = i;
      else found.push([i, i]);
    }
    return found;
  }

  function drawMap(other) {
    const total = other.rows.length, marks = [];
    const mark = ([first, last], name) => {
      const node = document.createElement("u");
      node.className = name;
      node.style.top = `${(100 * first) / total}%`;
      node.style.height = `${(100 * (last - first + 1)) / total}%`;
      marks.push(node);
    };
    if (other.data.loop) runs([...other.data.loop].flatMap((flag, i) => (flag === "1" ? [i] : []))).forEach((run) => mark(run, "seqlab-loop"));
    runs(other.lit).forEach((run) => mark(run, ""));
    other.map.replaceChildren(...marks);
  }

  function inView({ code }, i) {
    return i * HEIGHT >= code.scrollTop && (i + 1) * HEIGHT <= code.scrollTop + code.clientHeight;
  }

  function reveal(other) { // the longest run, of the main loop if any is there, unless lit lines are in view already
    if (!other.lit.length || other.lit.some((i) => inView(other, i))) return;
    const looped = other.lit.filter((i) => other.data.loop?.[i] === "1");
    const [first] = runs(looped.length ? looped : other.lit).reduce((best, run) => (run[1] - run[0] > best[1] - best[0] ? run : best));
    other.code.scrollTop = Math.max(0, (first - 3) * HEIGHT);
  }

  // ---- the cursor

  function pin(at, line) {
    const here = Math.min(Math.max(line, 0), at.rows.length - 1);
    if (pinned) pinned.at.rows[pinned.line]?.classList.remove("seqlab-cursor");
    pinned = { at, line: here };
    at.cursor = here;
    at.rows[here].classList.add("seqlab-cursor");
    at.code.setAttribute("aria-activedescendant", at.rows[here].id);
    light(at, here, at.code);
    const top = here * HEIGHT, room = at.code.clientHeight;
    if (top < at.code.scrollTop) at.code.scrollTop = top;
    if (top + 2 * HEIGHT > at.code.scrollTop + room) at.code.scrollTop = top + 2 * HEIGHT - room;
  }

  function press(at, event) {
    if (event.key in STEPS) pin(at, (at.cursor ?? 0) + STEPS[event.key]);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const next = columns[columns.indexOf(at) + (event.key === "ArrowLeft" ? -1 : 1)];
      if (!next) return;
      if (next.group === at.group) next.cursor = next.lit.find((i) => inView(next, i)) ?? next.lit[0] ?? next.cursor;
      next.code.focus({ preventScroll: true });
      pin(next, next.cursor ?? 0);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function follow() {
    const lines = model.get("lines");
    for (const at of columns.filter((other) => other.data.name === "Python").reverse()) {
      const line = lines[at.group] ?? -1;
      if (line >= 0 && line < at.rows.length) pin(at, line);
    }
  }

  const seen = new ResizeObserver(() => { // before the page has room for it, nothing scrolls
    if (!grid.clientWidth) return;
    seen.disconnect();
    columns.forEach(reveal);
  });
  seen.observe(grid);
  signal?.addEventListener("abort", () => seen.disconnect());
  model.on("change:groups", build);
  model.on("change:lines", follow);
  build();
}

export default { render };
