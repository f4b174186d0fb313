"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const search = document.getElementById("search");
  const count = document.getElementById("count");
  const changes = all(".change");
  const nodes = all("svg .node");
  const verbs = all("input[name=verb]");

  // What is searched and which verbs are shown decides over changes and, where there is a graph, over its nodes.
  const filter = () => {
    const words = (search ? search.value : "").toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(verbs.filter((box) => box.checked).map((box) => box.value));
    const matches = (element) =>
      (!verbs.length || wanted.has(element.dataset.verb)) &&
      words.every((word) => element.dataset.text.includes(word));
    let shown = 0;
    for (const change of changes) {
      change.hidden = !matches(change);
      shown += change.hidden ? 0 : 1;
    }
    for (const scope of all(".scope")) {
      scope.hidden = !scope.querySelector(".change:not([hidden])");
      if (words.length && !scope.hidden) scope.open = true;
    }
    const faint = new Set();
    for (const node of nodes) {
      const out = !matches(node);
      node.classList.toggle("faint", out);
      if (out) faint.add(node.dataset.node);
    }
    for (const edge of all("svg .edge")) {
      edge.classList.toggle("faint", faint.has(edge.dataset.from) || faint.has(edge.dataset.to));
    }
    if (count) {
      const total = changes.length || nodes.length;
      const visible = changes.length ? shown : nodes.length - faint.size;
      count.textContent = `${visible} of ${total} shown`;
    }
  };
  if (search) search.addEventListener("input", filter);
  for (const box of verbs) box.addEventListener("change", filter);

  const unfold = (open) => all(".scope, .change").forEach((element) => { element.open = open; });
  const on = (id, act) => {
    const button = document.getElementById(id);
    if (button) button.addEventListener("click", act);
  };
  on("open", () => unfold(true));
  on("close", () => unfold(false));
  on("theme", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  // A node of the graph leads to its change, which may be folded away.
  const arrive = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.classList.contains("change")) return;
    target.closest(".scope").open = true;
    target.open = true;
    target.scrollIntoView();
    target.querySelector("summary").focus();
  };
  addEventListener("hashchange", arrive);
  arrive();

  const svg = document.querySelector(".canvas svg");
  if (svg) {
    const home = svg.getAttribute("viewBox").split(" ").map(Number);
    let view = [...home];
    const show = () => svg.setAttribute("viewBox", view.join(" "));
    const zoom = (factor, x = view[0] + view[2] / 2, y = view[1] + view[3] / 2) => {
      view = [x - (x - view[0]) * factor, y - (y - view[1]) * factor, view[2] * factor, view[3] * factor];
      show();
    };
    const pan = (x, y) => { view[0] += x * view[2]; view[1] += y * view[3]; show(); };
    const point = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { x, y } = point(event);
      zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, x, y);
    }, { passive: false });
    let held = null;
    let dragged = false;
    svg.addEventListener("pointerdown", (event) => { held = point(event); dragged = false; });
    svg.addEventListener("pointermove", (event) => {
      if (!held || !event.buttons) { held = null; return; }
      const now = point(event);
      dragged = dragged || Math.hypot(now.x - held.x, now.y - held.y) > view[2] / 200;
      if (!dragged) return;
      view[0] += held.x - now.x;
      view[1] += held.y - now.y;
      show();
    });
    svg.addEventListener("click", (event) => { if (dragged) event.preventDefault(); }, true);
    svg.addEventListener("keydown", (event) => {
      const act = {
        "+": () => zoom(1 / 1.2), "-": () => zoom(1.2), "0": () => { view = [...home]; show(); },
        ArrowLeft: () => pan(-0.1, 0), ArrowRight: () => pan(0.1, 0), ArrowUp: () => pan(0, -0.1), ArrowDown: () => pan(0, 0.1),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
    on("nearer", () => zoom(1 / 1.3));
    on("farther", () => zoom(1.3));
    on("whole", () => { view = [...home]; show(); });
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !search) return;
    if (event.key === "Escape") { search.value = ""; filter(); search.blur(); return; }
    if (event.target instanceof HTMLInputElement && event.target.type === "search") return;
    if (event.key === "/") { event.preventDefault(); search.focus(); }
    if (event.key === "o") unfold(true);
    if (event.key === "c") unfold(false);
  });
  filter();
})();
