// The drawing half of AttentionView: sizes, axes and rings on a canvas. Python puts this file before attention_view.js.

const EDGE = 512; // CSS pixels of the longer side of the map
const STRIP = 44; // height of the row profile
const LONGEST = 14; // characters of a token on an axis

const short = (text) => (text.length > LONGEST ? text.slice(0, LONGEST - 1) + "…" : text);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const number = (value) => String(Number(value.toPrecision(6)));
const brief = (value) => String(Number(value.toPrecision(3)));

function make(tag, parent, attributes = {}) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return parent.appendChild(node);
}

// where map, axes and row profile lie, in CSS pixels; `room` is the width that the page offers
function measure(context, { queries, keys, queryTokens, keyTokens, room }) {
  const width = (text) => context.measureText(text).width;
  const widest = (tokens, count) => Math.max(...(tokens.length ? tokens.map(short) : [String(count - 1)]).map(width));
  const keyLabel = widest(keyTokens, keys);
  const flat = !keyTokens.length || keyLabel + 6 <= Math.min(EDGE / Math.max(queries, keys), 40);
  const slanted = flat ? 0 : 0.71 * keyLabel; // labels of keys rise at 45 degrees where they do not fit
  const left = Math.ceil(26 + Math.max(widest(queryTokens, queries), 24));
  const top = Math.ceil(24 + Math.max(slanted, 10)), right = Math.ceil(slanted) + 12;
  let edge = Math.min(Math.min(EDGE, Math.max(160, room - left - right)) / keys, EDGE / queries, Math.max(40, 160 / Math.max(queries, keys))); // few cells grow to 160 pixels
  if (edge > 2) edge = Math.floor(edge); // cells of equal size
  const wide = Math.round(clamp(edge * keys, 160, EDGE)), high = Math.round(clamp(edge * queries, 64, EDGE));
  const strip = top + high + 24;
  return { left, top, width: wide, height: high, keyLabel, strip, total: [left + wide + right, strip + STRIP + 6] };
}

// a white frame with a dark halo, visible on every colour, at least three pixels wide
function ring(context, x, y, width, height, alpha) {
  const wide = Math.max(width, 3), high = Math.max(height, 3);
  for (const [line, ink] of [[3, `rgba(0, 0, 0, ${0.6 * alpha})`], [1, `rgba(255, 255, 255, ${alpha})`]]) {
    Object.assign(context, { lineWidth: line, strokeStyle: ink });
    context.strokeRect(x - (wide - width) / 2 + 0.5, y - (high - height) / 2 + 0.5, wide - 1, high - 1);
  }
}

// the indices that get a label: every 1, 2, 4, … cells, so that neighbours stay `apart` pixels from each other
function ticks(from, to, step, apart) {
  const stride = 2 ** Math.max(0, Math.ceil(Math.log2(apart / step)));
  const shown = [];
  for (let i = Math.ceil(from / stride) * stride; i < to; i += stride) if (i + 0.5 >= from && i + 0.5 <= to) shown.push(i);
  return shown;
}

function write(context, text, x, y, { align = "left", baseline = "alphabetic", turn = 0, italic = false } = {}) {
  context.save();
  Object.assign(context, { textAlign: align, textBaseline: baseline });
  if (italic) context.font = `italic ${context.font}`;
  context.translate(x, y);
  context.rotate(turn);
  context.fillText(text, 0, 0);
  context.restore();
}

function labelAxes(context, box, [first, last, edge, end], queryTokens, keyTokens) {
  const across = box.width / (end - edge), down = box.height / (last - first);
  const named = keyTokens.length && across >= 4; // thinner cells get indices
  const flat = !named || box.keyLabel + 6 <= across;
  const apart = named ? (flat ? 0 : 16) : 12 + context.measureText(String(Math.ceil(end) - 1)).width;
  const style = flat ? { align: "center" } : { baseline: "middle", turn: -Math.PI / 4 };
  for (const key of ticks(edge, end, across, apart))
    write(context, named ? short(keyTokens[key]) : key, box.left + (key + 0.5 - edge) * across, box.top - 6, style);
  for (const query of ticks(first, last, down, queryTokens.length && down >= 4 ? 12 : 18)) {
    const text = queryTokens.length && down >= 4 ? short(queryTokens[query]) : query;
    write(context, text, box.left - 6, box.top + (query + 0.5 - first) * down, { align: "right", baseline: "middle" });
  }
  write(context, "key →", box.left, 4, { baseline: "top", italic: true });
  write(context, "← query", 12, box.top, { align: "right", turn: -Math.PI / 2, italic: true });
}

// bars for the weights of one row; where keys are thinner than a pixel, a bar is the largest of its keys
function drawProfile(context, box, [, , edge, end], at, marked, { ink, accent }) {
  const step = box.width / (end - edge), bars = [];
  const stride = Math.max(1, 1 / step); // keys for each bar
  for (let from = step < 1 ? edge : Math.floor(edge); from < end; from += stride) {
    const first = Math.floor(from), last = Math.min(Math.max(first + 1, Math.floor(from + stride)), Math.ceil(end));
    let tallest = 0;
    for (let key = first; key < last; key++) tallest = Math.max(tallest, at(key));
    bars.push({ x: (from - edge) * step, tallest, here: marked >= first && marked < last });
  }
  const highest = Math.max(...bars.map((bar) => bar.tallest), 1e-30);
  for (const { x, tallest, here } of bars) {
    const high = ((STRIP - 2) * tallest) / highest, start = Math.max(0, x);
    const stop = Math.min(box.width, x + Math.max(1, step >= 4 ? step - 1 : step));
    context.fillStyle = here ? ink : accent;
    context.fillRect(box.left + start, box.strip + STRIP - high, stop - start, high);
  }
  context.fillStyle = ink;
  write(context, brief(highest), box.left - 6, box.strip + 5, { align: "right", baseline: "middle" });
  write(context, "0", box.left - 6, box.strip + STRIP - 3, { align: "right", baseline: "middle" });
}
