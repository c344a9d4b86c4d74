// Films in a page without a kernel: their own controls replay what Python recorded, and live widgets run their own code.

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

async function unpack(text) {
  const stream = new Blob([bytesOf(text.trim())]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

function make(tag, parent, attributes = {}, text = "") {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return parent.appendChild(node);
}

// ---- what stands in for the model that Jupyter hands to a widget

class Model {
  constructor(traits, saved) {
    Object.assign(this, { traits: {}, calls: new Map(), changed: new Set(), saved });
    this.replace(traits, true);
  }
  get(name) { return this.traits[name]; }
  on(names, call) { for (const name of names.split(" ")) this.calls.set(name, [...(this.calls.get(name) ?? []), call]); }
  off(name, call) { this.calls.set(name, (this.calls.get(name) ?? []).filter((other) => call && other !== call)); }
  tell(name, ...words) { for (const call of this.calls.get(name) ?? []) call.apply(this, words); }
  set(name, value) {
    this.traits[name] = value;
    this.changed.add(name);
    this.tell(`change:${name}`);
  }
  save_changes() {
    const names = [...this.changed];
    this.changed.clear();
    this.saved(names);
  }
  send() {}
  replace(traits, quiet = false) { // what Python changes: all at once, then who listens is told
    for (const [name, value] of Object.entries(traits)) this.traits[name] = value?.bytes === undefined ? value : new DataView(bytesOf(value.bytes).buffer);
    if (!quiet) for (const name of Object.keys(traits)) this.tell(`change:${name}`);
  }
}

const float16 = (bits) => {
  const sign = bits & 0x8000 ? -1 : 1, power = (bits >> 10) & 31, rest = bits & 1023;
  return sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : 2 ** -24 * rest);
};

function evenly(value) { // halves go to the even neighbour, as in numpy
  const down = Math.floor(value), rest = value - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}

// Python's part of AttentionView: pools the visible window of one map to pixels, and answers with exact rows
class Attention extends Model {
  constructor(traits) {
    super(traits, (names) => { if (names.some((name) => ["layer", "head", "scale", "window", "pixels"].includes(name))) this.push(); });
  }
  replace(traits, quiet) {
    this.version = (this.version ?? 0) + 1;
    super.replace(traits, true);
    this.push(true);
    if (!quiet) for (const name of [...Object.keys(traits), "info"]) this.tell(`change:${name}`);
  }
  map() {
    const [, heads, queries, keys] = this.get("shape"), view = this.get("weights");
    const first = (this.get("layer") * heads + this.get("head")) * queries * keys;
    return Float32Array.from({ length: queries * keys }, (_, i) => float16(view.getUint16(2 * (first + i), true)));
  }
  push(quiet = false) {
    const [, , queries, keys] = this.get("shape"), [first, last, left, right] = this.get("window");
    const [layer, head] = [this.get("layer"), this.get("head")], here = `${this.version}/${layer}/${head}`;
    if (this.here !== here) Object.assign(this, { here, weights: this.map() });
    const factor = (extent, pixels) => Math.max(1, Math.ceil(extent / clamp(pixels, 1, 1024)));
    const factors = [factor(last - first, this.get("pixels")[0]), factor(right - left, this.get("pixels")[1])];
    const top = Math.floor(Math.floor(first) / factors[0]) * factors[0], edge = Math.floor(Math.floor(left) / factors[1]) * factors[1];
    const [bottom, end] = [Math.min(Math.ceil(last), queries), Math.min(Math.ceil(right), keys)];
    const cells = [Math.ceil((bottom - top) / factors[0]), Math.ceil((end - edge) / factors[1])];
    const largest = this.weights.reduce((most, weight) => Math.max(most, weight), 0);
    const peak = this.get("scale") === "one" ? 1 : largest, rate = peak > 0 ? Math.fround(255 / peak) : 0;
    const frame = new Uint8Array(cells[0] * cells[1]);
    for (let query = top; query < bottom; query++) {
      const row = Math.floor((query - top) / factors[0]) * cells[1];
      for (let key = edge; key < end; key++) {
        const at = row + Math.floor((key - edge) / factors[1]);
        const level = Math.min(255, evenly(Math.fround(this.weights[query * keys + key] * rate)));
        if (level > frame[at]) frame[at] = level;
      }
    }
    const counted = (this.traits.info?.frame ?? 0) + 1;
    Object.assign(this.traits, {
      frame: new DataView(frame.buffer),
      info: { frame: counted, version: this.version, layer, head, origin: [top, edge], cells, factors, peak, largest },
    });
    if (!quiet) this.tell("change:info");
  }
  send({ ask, query }) {
    const keys = this.get("shape")[3], { version, layer, head } = this.get("info");
    if (ask !== "row" || !(query >= 0 && query < this.get("shape")[2])) return;
    const row = Float64Array.from(this.weights.subarray(query * keys, (query + 1) * keys));
    queueMicrotask(() => this.tell("msg:custom", { query, version, layer, head }, [new DataView(row.buffer)]));
  }
}

// ---- a film

class Player {
  constructor(place, film) {
    Object.assign(this, { film, at: JSON.parse(film.start), parts: [], painted: false });
    this.root = make("div", place, { class: "seqlab-playing" });
    this.controls = film.kinds.map(() => null);
    this.grow(film.tree, this.root);
    this.note = make("div", this.root, { class: "seqlab-unrecorded", role: "status" });
    this.ready = this.show();
  }
  value(at) { return this.film.pool[at]; }
  led(at, place) { // the name of the state that a move leads to
    const name = JSON.stringify(this.at.map((old, other) => (other === at && place !== "pressed" ? place : old)));
    return this.film.led[`${at} ${name}`] ?? (place === "pressed" ? "" : name);
  }
  grow(node, parent) {
    if (node.of) {
      const box = make("div", parent, { class: node.row ? "seqlab-row" : "seqlab-stack" });
      for (const child of node.of) this.grow(child, box);
    } else if (node.part !== undefined) this.parts[node.part] = { ...node, node: make("div", parent, { class: `seqlab-part seqlab-as-${node.alone ?? "html"}` }) };
    else this.controls[node.control] = this.control(node.control, parent);
  }
  control(at, parent) {
    const kind = this.film.kinds[at], offer = this.value(this.film.states[this.film.start][0][at]);
    const box = make(kind === "radio" ? "fieldset" : kind === "button" ? "span" : "label", parent, { class: `seqlab-control seqlab-${kind}` });
    if (kind === "button") {
      const node = make("button", box, { type: "button" }, offer.label);
      node.addEventListener("click", () => this.go(at, "pressed"));
      return { kind, box, node };
    }
    const name = make(kind === "radio" ? "legend" : "span", box, {}, offer.label);
    if (kind === "radio") return { kind, box, name, group: `seqlab-${Math.random()}`, options: make("div", box) };
    const node = make(kind === "select" ? "select" : kind === "text" ? "textarea" : "input", box, kind === "range" || kind === "check" ? { type: kind === "check" ? "checkbox" : "range" } : {});
    if (kind === "text") node.readOnly = true;
    if (kind === "check") box.prepend(node);
    node.addEventListener("input", () => this.go(at, kind === "check" ? Number(node.checked) : Number(node.value)));
    return { kind, box, name, node, out: kind === "range" ? make("output", box) : null };
  }
  go(at, place) {
    const name = this.led(at, place);
    if (name) this.at = JSON.parse(name);
    const stray = this.painted;
    this.painted = false;
    this.ready = this.show(stray);
  }
  async show(force = false) {
    const state = this.film.states[JSON.stringify(this.at)];
    this.root.dataset.state = JSON.stringify(this.at);
    this.root.classList.toggle("seqlab-missing", !state || this.painted);
    this.note.textContent = this.painted ? "You painted this: what Python says of it needs the lab itself. Move a control to return to what was recorded."
      : state ? "" : "This combination was not recorded: the lab itself shows it.";
    if (state) this.last = state;
    this.controls.forEach((control, at) => control && this.offered(control, at, this.value(this.last[0][at])));
    if (state) await Promise.all(state[1].map((value, part) => this.fill(this.parts[part], value, force)));
    if (state && !this.note.textContent && this.controls.some((control) => control?.box.hasAttribute("data-grey"))) this.note.textContent = "What is grey was not recorded; the lab itself has it.";
  }
  offered({ kind, box, name, node, out, options, group }, at, offer) {
    const place = this.at[at];
    box.hidden = offer.hidden;
    if (name) name.textContent = offer.label;
    if (kind === "radio" && options.dataset.said !== JSON.stringify(offer.options)) {
      options.dataset.said = JSON.stringify(offer.options);
      options.replaceChildren();
      offer.options.forEach((word, index) => {
        const label = make("label", options), input = make("input", label, { type: "radio", name: group, value: index });
        label.append(word);
        input.addEventListener("change", () => this.go(at, index));
      });
    }
    if (kind === "select" && node.length !== offer.options.length) node.replaceChildren(...offer.options.map((word, index) => new Option(word, index)));
    const reached = (place) => this.film.states[this.led(at, place)] !== undefined;
    const choices = kind === "radio" ? [...options.querySelectorAll("input")] : kind === "select" ? [...node.options] : [];
    choices.forEach((choice, index) => { choice.disabled = offer.off || (index !== place && !reached(index)); });
    if (kind === "radio") choices.forEach((choice, index) => { choice.checked = index === place; });
    else if (kind === "check") Object.assign(node, { checked: Boolean(place), disabled: offer.off || !reached(1 - place) });
    else if (kind === "button") node.disabled = offer.off || !reached("pressed");
    else if (kind === "range") {
      const word = offer.options ? offer.options[place] : String(Number((offer.low + place * offer.step).toPrecision(6)));
      Object.assign(node, { min: 0, max: (offer.options?.length ?? offer.count) - 1, step: 1, disabled: offer.off });
      Object.assign(node, { value: place });
      node.setAttribute("aria-valuetext", word);
      out.textContent = word;
    } else node.value = place;
    box.toggleAttribute("data-grey", choices.some((choice, index) => choice.disabled && index !== place && !offer.off));
    box.classList.toggle("seqlab-off", Boolean(choices.length ? choices.every((choice, index) => choice.disabled && index !== place) : node?.disabled));
  }
  async fill(part, at, force) {
    if (part.at === at && !force) return;
    const value = this.value(at), before = part.at;
    part.at = at;
    if (typeof value === "string") return void (part.node.innerHTML = value);
    if (before !== undefined) return part.model?.replace(value);
    const saved = () => { if (part.alone === "grid" && this.controls.length) { this.painted = true; this.show(); } };
    const model = (part.model = part.alone === "attention" ? new Attention(value) : new Model(value, saved));
    make("style", part.node, {}, part.css);
    const widget = await import(`data:text/javascript;charset=utf-8,${encodeURIComponent(part.esm)}`);
    await widget.default.render({ model, el: make("div", part.node), signal: new AbortController().signal });
  }
}

async function begin(place) {
  const source = place.querySelector("script"), film = await unpack(source.textContent);
  source.remove();
  const player = (place.player = new Player(place, film));
  await player.ready;
  place.querySelector(".seqlab-still").hidden = true;
  place.dataset.playing = "true";
}

const near = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    begin(target);
  }
}, { rootMargin: "600px" });
for (const place of document.querySelectorAll(".seqlab-film")) near.observe(place);
