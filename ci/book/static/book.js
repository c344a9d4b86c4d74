// What the pages of the book do by themselves: draw figures, follow the theme, switch to the solved text.

const page = document.documentElement;
const dark = () => page.dataset.theme === "dark";

// ---- figures, in the ink of the page

function look() {
  const ink = getComputedStyle(document.body).color, grid = dark() ? "rgba(255,255,255,0.2)" : "rgba(0,0,0,0.12)";
  return { ink, axis: { gridcolor: grid, linecolor: grid, zerolinecolor: grid, color: ink } };
}

function themed(layout, width) {
  const { ink, axis } = look(), own = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
  const words = layout.title?.text ?? "", title = { ...layout.title, font: { size: Math.min(17, 1.7 * width / words.length) } };
  const axes = Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name));
  return { ...layout, title, ...own, width: undefined, font: { ...layout.font, color: ink }, ...Object.fromEntries(axes.map((name) => [name, { ...layout[name], ...axis }])) };
}

function draw(place) {
  const { data, layout } = JSON.parse(place.querySelector("script").textContent);
  window.Plotly.react(place.firstElementChild, data, themed(layout, place.clientWidth), { responsive: true, displayModeBar: false });
}

const plots = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    plots.unobserve(target);
    draw(target);
    target.dataset.drawn = "true";
  }
}, { rootMargin: "600px" });

function follow() {
  document.body.setAttribute("data-jp-theme-light", String(!dark()));
  document.querySelectorAll(".seqlab-plot[data-drawn]").forEach(draw);
}

new MutationObserver(follow).observe(page, { attributes: true, attributeFilter: ["data-theme"] });
document.querySelectorAll(".seqlab-plot").forEach((place) => plots.observe(place));
window.addEventListener("beforeprint", () => document.querySelectorAll(".seqlab-plot").forEach(draw));
follow();

// ---- the solved text, on this page and those that are opened next

function solve(on) {
  page.toggleAttribute("data-solved", on);
  for (const button of document.querySelectorAll(".seqlab-solve")) {
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Show the open text" : "Show the solved text";
  }
}

function kept(value) {
  try {
    return value === undefined ? localStorage.getItem("seqlab-solved") : localStorage.setItem("seqlab-solved", value);
  } catch {
    return null; // a browser that keeps nothing for pages from disk
  }
}

document.addEventListener("click", ({ target }) => {
  if (!target.closest?.(".seqlab-solve")) return;
  kept(page.hasAttribute("data-solved") ? "" : "yes");
  solve(!page.hasAttribute("data-solved"));
});
solve(kept() === "yes");

// ---- what scrolls sideways can be reached by keyboard

for (const node of document.querySelectorAll(".bd-article :is(table, figure, math[display='block'], pre)")) {
  if (node.scrollWidth > node.clientWidth) node.setAttribute("tabindex", "0");
}
