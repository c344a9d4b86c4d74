// PatternGrid in the browser: paint who may look at whom.

const PAINT = "#0072b2", GREY = "#767676";

function render({ model, el, signal }) {
  const own = { "data-lm-suppress-shortcuts": "true" }; // or JupyterLab takes the arrow keys
  const root = make("div", el, { class: "seqlab-pattern" });
  const grid = make("canvas", root, { tabindex: "0", role: "application", ...own });
  const told = make("div", root, { class: "seqlab-pattern-told", "aria-live": "polite" });
  let cursor = [0, 0], stroke = null, cells = null, sent = null, waiting = false;

  const n = () => model.get("n");
  const bytes = (name) => { const view = model.get(name); return new Uint8Array(view.buffer, view.byteOffset, view.byteLength); };
  const side = () => Math.max(4, Math.floor(Math.min(420, el.clientWidth || 420) / n()));

  function adopt() {
    const fresh = bytes("cells");
    if (!waiting || fresh.length !== cells?.length) cells = fresh.slice();
    draw();
  }

  function send() { // at most one message a frame; the last state always arrives
    if (sent) return;
    sent = requestAnimationFrame(() => {
      sent = null;
      waiting = true;
      model.set("cells", new DataView(cells.slice().buffer));
      model.save_changes();
      waiting = false;
    });
  }

  function put(row, column, value) {
    const at = row * n() + column;
    if (row < 0 || column < 0 || row >= n() || column >= n() || cells[at] === value) return;
    cells[at] = value;
    draw();
    send();
  }

  function place(event) {
    const box = grid.getBoundingClientRect();
    return [Math.floor((event.clientY - box.top) / side()), Math.floor((event.clientX - box.left) / side())];
  }

  grid.addEventListener("pointerdown", (event) => {
    const [row, column] = place(event);
    if (row >= n() || column >= n()) return;
    grid.setPointerCapture(event.pointerId);
    stroke = { value: cells[row * n() + column] ? 0 : 1, from: [row, column] };
    cursor = [row, column];
    put(row, column, stroke.value);
    event.preventDefault();
    grid.focus();
  }, { signal });
  grid.addEventListener("pointermove", (event) => {
    const [row, column] = place(event);
    if (stroke) {
      line(stroke.from, [row, column], (r, c) => put(r, c, stroke.value));
      stroke.from = [row, column];
    }
    if (row < n() && column < n() && row >= 0 && column >= 0) say(row, column);
  }, { signal });
  for (const name of ["pointerup", "pointercancel"]) grid.addEventListener(name, () => { stroke = null; }, { signal });

  grid.addEventListener("keydown", (event) => {
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (move) {
      const value = cells[cursor[0] * n() + cursor[1]];
      cursor = cursor.map((at, axis) => Math.min(Math.max(at + move[axis], 0), n() - 1));
      if (event.shiftKey) put(...cursor, value);
    } else if (event.key === " " || event.key === "Enter") {
      put(...cursor, cells[cursor[0] * n() + cursor[1]] ? 0 : 1);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    say(...cursor);
    draw();
  }, { signal });
  for (const name of ["focus", "blur"]) grid.addEventListener(name, draw, { signal });

  function say(row, column) {
    told.textContent = `token ${row} ${cells[row * n() + column] ? "looks" : "does not look"} at token ${column}`;
  }

  function draw() {
    const size = side() * n(), context = sized(grid, size + 2, size + 2), ink = getComputedStyle(root).color;
    let digest = 2166136261;
    for (let i = 0; i < n(); i++) {
      for (let j = 0; j < n(); j++) {
        const on = cells[i * n() + j];
        digest = Math.imul(digest ^ on, 16777619);
        context.fillStyle = on ? PAINT : "transparent";
        context.fillRect(j * side() + 1, i * side() + 1, side() - 1, side() - 1);
        if (on && side() >= 12) disc(context, (j + 0.5) * side() + 0.5, (i + 0.5) * side() + 0.5, side() / 6, "#ffffff");
      }
    }
    context.strokeStyle = GREY;
    context.globalAlpha = 0.35;
    for (let i = 0; i <= n(); i++) {
      context.strokeRect(0.5, 0.5 + i * side(), size, 0);
      context.strokeRect(0.5 + i * side(), 0.5, 0, size);
    }
    context.globalAlpha = 1;
    if (document.activeElement === grid || grid.matches(":focus-visible")) {
      context.lineWidth = 3;
      context.strokeStyle = ink;
      context.strokeRect(cursor[1] * side() + 1, cursor[0] * side() + 1, side(), side());
      context.lineWidth = 1;
    }
    const count = cells.reduce((total, on) => total + on, 0);
    grid.dataset.digest = digest >>> 0;
    grid.setAttribute("aria-label", `${n()} by ${n()} grid, ${count} connections painted. Arrow keys move, space paints, shift and arrows draw a line. Rows look at columns.`);
  }

  for (const name of ["n", "cells"]) model.on(`change:${name}`, adopt);
  adopt();
}

function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

function disc(context, x, y, radius, fill) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
}

function line([r0, c0], [r1, c1], visit) { // every cell that a quick stroke passes
  const steps = Math.max(Math.abs(r1 - r0), Math.abs(c1 - c0), 1);
  for (let t = 0; t <= steps; t++) visit(Math.round(r0 + ((r1 - r0) * t) / steps), Math.round(c0 + ((c1 - c0) * t) / steps));
}

function make(tag, parent, attributes = {}) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

export default { render };
