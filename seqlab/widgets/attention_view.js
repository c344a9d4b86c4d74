// AttentionView in the browser: colours the bytes that Python sends, and follows the mouse and the keyboard.

function render({ model, el, signal }) {
  const own = { "data-lm-suppress-shortcuts": "true" }; // or JupyterLab takes the arrow keys of what has the focus
  const root = make("div", el, { class: "seqlab-attention" });
  const title = make("div", root, { class: "seqlab-title" });
  const body = make("div", root, { class: "seqlab-body" });
  const canvas = make("canvas", body, { tabindex: "0", role: "application", ...own });
  const side = make("div", body, { class: "seqlab-side" });
  const sliders = ["layer", "head"].map((name) => makeSlider(name));
  const legend = make("button", side, { type: "button", class: "seqlab-legend", ...own });
  const readout = make("div", side, { class: "seqlab-readout", "aria-live": "polite" });
  const note = make("div", side, { class: "seqlab-note" });
  const offscreen = document.createElement("canvas");
  const context = canvas.getContext("2d");
  const rows = new Map(); // exact rows by version, layer, head and query
  let cell = null, levels = null, asked = { key: null, at: 0 }, scheduled = 0, drag = null, box = null, lost = false;

  const colours = new DataView(new ArrayBuffer(1024));
  const palette = model.get("palette");
  for (let level = 0; level < 256; level++) {
    for (let channel = 0; channel < 3; channel++) colours.setUint8(4 * level + channel, palette.getUint8(3 * level + channel));
    colours.setUint8(4 * level + 3, 255);
  }
  const lut = new Uint32Array(colours.buffer);
  const rgb = (level) => `rgb(${[0, 1, 2].map((channel) => palette.getUint8(3 * level + channel))})`;
  const ramp = `linear-gradient(to right, ${Array.from({ length: 10 }, (_, i) => rgb(Math.round((255 * i) / 9)))})`;

  // ---- model

  const size = () => model.get("shape").slice(2);
  const tokens = () => [model.get("query_tokens"), model.get("key_tokens")];
  const font = () => `11px ${getComputedStyle(root).fontFamily}`;
  const named = (index, tokens) => (tokens.length ? `${index} “${tokens[index]}”` : String(index));
  const rowKey = (query) => `${model.get("info").version}/${model.get("info").layer}/${model.get("info").head}/${query}`;

  function set(name, value) {
    model.set(name, value);
    if (!lost) model.save_changes();
    schedule();
  }

  function choose(name, index) {
    set(name, clamp(index, 0, model.get("shape")[name === "layer" ? 0 : 1] - 1));
    describe();
  }

  function makeSlider(name) {
    const label = make("label", side, { class: "seqlab-slider" });
    const text = make("span", label);
    const input = make("input", label, { type: "range", min: "0", step: "1", ...own });
    input.addEventListener("input", () => choose(name, Number(input.value)));
    return { name, label, text, input };
  }

  function askForRow() {
    const key = rowKey(cell.query);
    if (lost || rows.has(key) || (asked.key && performance.now() - asked.at < 1000)) return;
    asked = { key, at: performance.now() };
    model.send({ ask: "row", query: cell.query });
  }

  model.on("msg:custom", ({ query, version, layer, head }, [row]) => {
    if (rows.size > 64) rows.clear();
    const bytes = row.buffer.slice(row.byteOffset, row.byteOffset + row.byteLength);
    rows.set(`${version}/${layer}/${head}/${query}`, new Float64Array(bytes));
    asked.key = null;
    schedule();
  });

  model.on("comm_live_update", function () { // `this` is the view; its kernel went away, or is back
    lost = this?.model?.comm_live === false;
    root.classList.toggle("seqlab-lost", lost);
  });

  // ---- picture

  function colour() {
    const { cells } = model.get("info");
    const view = model.get("frame");
    levels = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    [offscreen.height, offscreen.width] = cells;
    const image = new ImageData(cells[1], cells[0]);
    const pixels = new Uint32Array(image.data.buffer);
    let digest = 2166136261;
    for (let i = 0; i < levels.length; i++) {
      pixels[i] = lut[levels[i]];
      digest = Math.imul(digest ^ levels[i], 16777619);
    }
    offscreen.getContext("2d").putImageData(image, 0, 0);
    canvas.dataset.digest = digest >>> 0;
    describe();
    cancelAnimationFrame(scheduled);
    paint(); // at once: the next frame of the screen shows it
  }

  function layout() {
    const [queries, keys] = size();
    const ratio = window.devicePixelRatio || 1;
    context.font = font();
    const [queryTokens, keyTokens] = tokens();
    box = measure(context, { queries, keys, queryTokens, keyTokens, room: el.clientWidth || 800 });
    [canvas.style.width, canvas.style.height] = box.total.map((length) => `${length}px`);
    [canvas.width, canvas.height] = box.total.map((length) => Math.round(length * ratio));
    const pixels = [box.height, box.width].map((length) => Math.min(1024, Math.round(length * ratio)));
    const crowded = queries > pixels[0] || keys > pixels[1];
    if (crowded && String(pixels) !== String(model.get("pixels"))) set("pixels", pixels);
    schedule();
  }

  function schedule() {
    if (!scheduled) scheduled = requestAnimationFrame(paint);
  }

  function paint() {
    scheduled = 0;
    const { left, top, width, height, strip, total } = box;
    const seen = model.get("window"), [first, last, edge, end] = seen;
    const { origin, cells, factors, frame } = model.get("info");
    const across = width / (end - edge), down = height / (last - first);
    const style = getComputedStyle(root);
    const theme = { ink: style.color, accent: style.getPropertyValue("--seqlab-accent") };
    context.setTransform(canvas.width / total[0], 0, 0, canvas.height / total[1], 0, 0);
    context.clearRect(0, 0, ...total);
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    context.fillStyle = rgb(0);
    context.fillRect(left, top, width, height);
    context.imageSmoothingEnabled = false;
    context.drawImage(offscreen, left + (origin[1] - edge) * across, top + (origin[0] - first) * down,
      cells[1] * factors[1] * across, cells[0] * factors[0] * down);
    if (cell) {
      const x = left + (cell.key - edge) * across, y = top + (cell.query - first) * down;
      ring(context, left - 4, y, width + 8, down, 0.45);
      ring(context, x, top - 4, across, height + 8, 0.45);
      ring(context, x, y, across, down, 1);
    }
    context.restore();
    Object.assign(context, { fillStyle: theme.ink, font: font() });
    context.fillRect(left, strip + STRIP, width, 1);
    labelAxes(context, box, seen, ...tokens());
    const caption = cell ? `query ${width < 240 ? cell.query : named(cell.query, tokens()[0])}` : "one query";
    write(context, `weights of ${caption}`, left, strip - 6);
    if (cell) {
      drawProfile(context, box, seen, weightsOf(cell.query).at, cell.key, theme);
      askForRow();
    }
    tell();
    if (canvas.dataset.frame !== String(frame)) canvas.dataset.frame = frame; // a change tells tests of a new picture
  }

  // the weights of the row under the pointer, or what the frame knows of them until the exact ones come
  function weightsOf(query) {
    const exact = rows.get(rowKey(query));
    if (exact) return { exact, at: (key) => exact[key] };
    const { origin, cells, factors, peak } = model.get("info");
    const row = Math.floor((query - origin[0]) / factors[0]);
    const at = (key) => {
      const column = Math.floor((key - origin[1]) / factors[1]);
      const inside = row >= 0 && row < cells[0] && column >= 0 && column < cells[1];
      return inside ? (levels[row * cells[1] + column] * peak) / 255 : 0;
    };
    return { exact: null, at };
  }

  // ---- words

  function tell() {
    if (!cell) return void (readout.textContent = "Point at the map, or use the arrow keys.");
    const { exact, at } = weightsOf(cell.query), [queryTokens, keyTokens] = tokens();
    const weight = exact ? number(exact[cell.key]) : "≈ " + brief(at(cell.key));
    const lines = [["query", named(cell.query, queryTokens)], ["key", named(cell.key, keyTokens)], ["weight", weight]];
    if (exact) {
      const sum = exact.reduce((total, value) => total + value, 0);
      const entropy = exact.reduce((total, value) => (value > 0 ? total - (value / sum) * Math.log(value / sum) : total), 0);
      lines.push(["row sum", brief(sum)], ["entropy", `${entropy.toFixed(2)} nats`], ["effective", `${brief(sum ? Math.exp(entropy) : 0)} of ${exact.length} keys`]);
    }
    const table = document.createElement("dl");
    for (const [term, value] of lines) {
      make("dt", table).textContent = term;
      make("dd", table, { title: value }).textContent = value;
    }
    if (readout.firstChild?.outerHTML !== table.outerHTML) readout.replaceChildren(table);
  }

  function describe() {
    const [layers, heads, queries, keys] = model.get("shape");
    const { factors, largest } = model.get("info");
    title.textContent = model.get("title");
    for (const { name, label, text, input } of sliders) {
      const count = name === "layer" ? layers : heads, index = model.get(name);
      const own = model.get(`${name}_names`)[index];
      label.hidden = count < 2;
      text.textContent = `${name} ${index} of 0 to ${count - 1}` + (own ? `: ${own}` : "");
      Object.assign(input, { max: count - 1, value: index });
      input.setAttribute("aria-valuetext", text.textContent);
    }
    const toOne = model.get("scale") === "one";
    const top = toOne ? (largest > 1.001 ? "≥ 1" : "1") : brief(largest);
    legend.innerHTML = `<span>0</span><i style="background: ${ramp}"></i><span>${top}</span>`;
    legend.title = toOne ? "Colours run from 0 to 1; press for 0 to the largest weight" : "Colours run from 0 to the largest weight; press for 0 to 1";
    legend.setAttribute("aria-label", legend.title);
    legend.disabled = Math.abs(largest - 1) < 0.001; // both scales are the same
    const pooled = factors[0] * factors[1] > 1 ? `Each pixel is the largest of ${factors[0]} × ${factors[1]} weights. ` : "";
    note.textContent = `${pooled}Click, then scroll or + − to zoom; drag to pan; 0 resets.`;
    const where = sliders.filter(({ label }) => !label.hidden).map(({ text }) => `, ${text.textContent}`).join("");
    canvas.setAttribute("aria-label", `${model.get("title")}: weights of ${queries} queries over ${keys} keys${where}. ` +
      "Arrow keys move, plus and minus zoom, Page Up and Page Down change the head, with Shift the layer.");
  }

  // ---- mouse and keyboard

  function cellAt(event) {
    const [first, last, edge, end] = model.get("window");
    const x = (event.offsetX - box.left) / box.width, y = (event.offsetY - box.top) / box.height;
    if (x < 0 || x >= 1 || y < 0 || y >= 1) return null;
    return { query: Math.floor(first + y * (last - first)), key: Math.floor(edge + x * (end - edge)) };
  }

  function look(first, rowsShown, edge, columns) {
    const [queries, keys] = size();
    const top = clamp(first, 0, queries - rowsShown), left = clamp(edge, 0, keys - columns);
    set("window", [top, top + rowsShown, left, left + columns]);
  }

  function zoom(factor, across = 0.5, down = 0.5) {
    const [first, last, edge, end] = model.get("window");
    const [queries, keys] = size();
    const high = clamp((last - first) * factor, Math.min(queries, 4), queries), wide = clamp((end - edge) * factor, Math.min(keys, 4), keys);
    if (high === last - first && wide === end - edge) return false;
    look(first + down * (last - first - high), high, edge + across * (end - edge - wide), wide);
    return true;
  }

  function move(down, across) {
    const [first, last, edge, end] = model.get("window");
    const [queries, keys] = size();
    cell = cell
      ? { query: clamp(cell.query + down, 0, queries - 1), key: clamp(cell.key + across, 0, keys - 1) }
      : { query: Math.ceil(first), key: Math.ceil(edge) };
    const top = clamp(first, cell.query + 1 - (last - first), cell.query), left = clamp(edge, cell.key + 1 - (end - edge), cell.key);
    if (top !== first || left !== edge) look(top, last - first, left, end - edge);
    schedule();
  }

  const reset = () => look(0, size()[0], 0, size()[1]);
  const turn = (event, by) => choose(event.shiftKey ? "layer" : "head", model.get(event.shiftKey ? "layer" : "head") + by);
  const actions = {
    ArrowUp: () => move(-1, 0), ArrowDown: () => move(1, 0), ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1),
    PageUp: (event) => turn(event, -1), PageDown: (event) => turn(event, 1),
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: reset,
    Escape: () => { cell = null; schedule(); },
  };
  const on = (node, name, call, options = {}) => node.addEventListener(name, call, { ...options, signal });
  on(canvas, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
    event.preventDefault();
    actions[event.key](event);
  });
  on(canvas, "wheel", (event) => {
    if (!event.ctrlKey && !canvas.matches(":focus")) return;
    const across = clamp((event.offsetX - box.left) / box.width, 0, 1), down = clamp((event.offsetY - box.top) / box.height, 0, 1);
    if (zoom(1.0015 ** event.deltaY, across, down) || event.ctrlKey) event.preventDefault(); // fully out: the page scrolls
  }, { passive: false });
  on(canvas, "pointerdown", (event) => {
    canvas.focus({ preventScroll: true });
    if (!cellAt(event)) return;
    canvas.setPointerCapture(event.pointerId);
    drag = { x: event.offsetX, y: event.offsetY, from: model.get("window") };
  });
  on(canvas, "pointermove", (event) => {
    if (drag) {
      const [first, last, edge, end] = drag.from;
      const down = ((drag.y - event.offsetY) / box.height) * (last - first), across = ((drag.x - event.offsetX) / box.width) * (end - edge);
      if (last - first < size()[0] || end - edge < size()[1]) look(first + down, last - first, edge + across, end - edge);
    }
    cell = cellAt(event) || cell;
    schedule();
  });
  for (const name of ["pointerup", "pointercancel"]) on(canvas, name, () => (drag = null));
  on(canvas, "dblclick", reset);
  on(legend, "click", () => set("scale", model.get("scale") === "one" ? "picture" : "one"));

  model.on("change:info", () => {
    const [queries, keys] = size();
    if (cell && (cell.query >= queries || cell.key >= keys)) cell = null;
    colour();
  });
  for (const name of ["shape", "query_tokens", "key_tokens"]) model.on(`change:${name}`, layout);
  for (const name of ["title", "layer", "head", "layer_names", "head_names", "scale"]) model.on(`change:${name}`, describe);
  model.on("change:window", () => schedule());
  const resized = new ResizeObserver(layout);
  const themed = new MutationObserver(() => schedule());
  resized.observe(el);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });
  layout();
  colour();
  return () => {
    resized.disconnect();
    themed.disconnect();
    cancelAnimationFrame(scheduled);
  };
}

export default { render };
