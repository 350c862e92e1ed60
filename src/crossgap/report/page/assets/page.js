// The page's own script: theme, charts, sliders, globes, the download. Without it the page can still be read.
(function () {
  "use strict";
  const root = document.documentElement;
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
  const data = (element) => JSON.parse(element.textContent);

  // the theme: what the reader's system says, until the button says otherwise
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const showTheme = () => { button.textContent = isDark() ? "Light colours" : "Dark colours"; };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();

  // charts: colours around the data are the page's own, so they follow the theme by themselves
  const sans = getComputedStyle(document.body).fontFamily;
  const lines = { labelColor: "var(--soft)", titleColor: "var(--soft)", labelFontSize: 12, titleFontSize: 12 };
  const config = {
    background: "transparent", font: sans, padding: 4,
    view: { stroke: null }, title: { color: "var(--ink)", anchor: "start", fontSize: 13, fontWeight: 600 },
    axis: { ...lines, titleFontWeight: "normal", titlePadding: 8, domainColor: "var(--strong-line)",
      tickColor: "var(--strong-line)", gridColor: "var(--line)", labelOverlap: true },
    legend: { ...lines, titleFontWeight: "normal", orient: "top", title: null, symbolSize: 70, labelLimit: 220 },
    header: { ...lines, titleFontWeight: "normal" },
    text: { color: "var(--ink)", fontSize: 12 }, rule: { color: "var(--ink)" }, tick: { color: "var(--ink)" },
  };
  const escaped = (value) => String(value).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
  const tooltip = { // texts only: a field that is called image or title is a text too
    disableDefaultStyle: true,
    formatTooltip: (value) => (value !== null && typeof value === "object"
      ? `<table>${Object.entries(value).map((entry) => `<tr><th>${escaped(entry[0])}</th><td>${escaped(entry[1])}</td></tr>`).join("")}</table>`
      : escaped(value)),
  };
  const draw = async (element) => {
    const place = document.getElementById(element.dataset.for);
    try {
      const drawn = await window.vegaEmbed(place, data(element), {
        actions: false, ast: true, config: config, defaultStyle: false, mode: "vega-lite", renderer: "svg", tooltip: tooltip,
      });
      return drawn;
    } catch (error) {
      place.classList.add("failed");
      console.error(error);
      return null;
    }
  };
  const scrollable = () => all(".scroll").forEach((box) => {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0; else box.removeAttribute("tabindex");
  });
  const drawAll = async () => {
    for (const element of all("script.spec")) {
      await draw(element);
      await new Promise((done) => setTimeout(done, 0)); // lets the reader scroll meanwhile
    }
    scrollable();
    root.dataset.charts = "drawn";
  };
  drawAll();
  window.addEventListener("resize", scrollable);
  all("details").forEach((one) => one.addEventListener("toggle", scrollable));

  // on paper what is folded is open, but for long tables and the reference
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = all("details:not([open])").filter((one) => !one.closest(".entries, .long"));
    opened.forEach((one) => { one.open = true; });
  });
  window.addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));

  // thresholds
  all("script.cuts").forEach((element) => {
    const cuts = data(element);
    const box = document.getElementById(element.dataset.for);
    const range = box.querySelector("input");
    const part = (name) => box.querySelector(`[data-is="${name}"]`);
    const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)}%` : "–");
    const show = () => {
      const place = Number(range.value);
      const right = cuts.right[place];
      const kept = right + cuts.wrong[place];
      const threshold = cuts.thresholds[place].toFixed(3);
      box.querySelector("output").textContent = threshold;
      part("threshold").textContent = threshold;
      part("precision").textContent = percent(right / kept);
      part("recall").textContent = percent(right / cuts.matches);
      part("each").textContent = cuts.queries ? (kept / cuts.queries).toFixed(2) : "–";
      range.setAttribute("aria-valuetext", `cosine ${threshold}`);
    };
    range.addEventListener("input", show);
    box.querySelector(".control").hidden = false;
    range.setAttribute("aria-valuetext", `cosine ${cuts.thresholds[Number(range.value)].toFixed(3)}`);
  });

  // globes: orthographic, turned by pointer, keys or buttons
  const SVG = "http://www.w3.org/2000/svg";
  const STEP = Math.PI / 18;
  all("script.sphere").forEach((element) => {
    const { points, colours } = data(element);
    const figure = document.getElementById(element.dataset.for);
    const svg = figure.querySelector("svg");
    const layer = figure.querySelector(".points");
    const grid = figure.querySelector(".grid");
    let turn = 0.6;
    let tilt = 0.35;
    const seen = ([x, y, z]) => {
      const a = x * Math.cos(turn) + y * Math.sin(turn);
      const b = y * Math.cos(turn) - x * Math.sin(turn);
      return [b, -(z * Math.cos(tilt) - a * Math.sin(tilt)), z * Math.sin(tilt) + a * Math.cos(tilt)];
    };
    const dots = Object.entries(points).flatMap(([group, { at }], number) => at.map((place) => {
      const dot = document.createElementNS(SVG, number % 2 ? "rect" : "circle"); // shape as well as colour
      if (number % 2) { dot.setAttribute("width", 0.026); dot.setAttribute("height", 0.026); } else dot.setAttribute("r", 0.014);
      dot.setAttribute("fill", colours[group] || "var(--soft)");
      layer.append(dot);
      return { dot, place, square: number % 2 === 1 };
    }));
    const circles = [];
    for (let k = 0; k < 12; k += 1) circles.push((t) => [Math.cos(t) * Math.cos(k * 3 * STEP), Math.cos(t) * Math.sin(k * 3 * STEP), Math.sin(t)]);
    for (let k = -2; k <= 2; k += 1) circles.push((t) => [Math.cos(k * 3 * STEP) * Math.cos(t), Math.cos(k * 3 * STEP) * Math.sin(t), Math.sin(k * 3 * STEP)]);
    const paths = circles.map(() => grid.appendChild(document.createElementNS(SVG, "path")));
    const show = () => {
      circles.forEach((circle, number) => {
        let drawing = "";
        let pen = false;
        for (let t = -18; t <= 18; t += 1) {
          const [x, y, depth] = seen(circle(t * STEP));
          if (depth >= 0) drawing += `${pen ? "L" : "M"}${x.toFixed(3)} ${y.toFixed(3)}`;
          pen = depth >= 0;
        }
        paths[number].setAttribute("d", drawing);
      });
      dots.forEach(({ dot, place, square }) => {
        const [x, y, depth] = seen(place);
        dot.setAttribute(square ? "x" : "cx", (square ? x - 0.013 : x).toFixed(4));
        dot.setAttribute(square ? "y" : "cy", (square ? y - 0.013 : y).toFixed(4));
        dot.classList.toggle("far", depth < 0);
      });
    };
    const move = (right, up) => {
      turn += right;
      tilt = Math.max(-Math.PI / 2, Math.min(Math.PI / 2, tilt + up));
      show();
    };
    const ways = { left: [-STEP, 0], right: [STEP, 0], up: [0, STEP], down: [0, -STEP] };
    svg.tabIndex = 0;
    svg.addEventListener("keydown", (event) => {
      const way = ways[event.key.replace("Arrow", "").toLowerCase()];
      if (way) { move(...way); event.preventDefault(); }
    });
    all("[data-turn]", figure).forEach((one) => one.addEventListener("click", () => move(...ways[one.dataset.turn])));
    figure.querySelector(".turn").hidden = false;
    let from = null;
    svg.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; svg.setPointerCapture(event.pointerId); });
    svg.addEventListener("pointermove", (event) => {
      if (!from) return;
      const scale = 2 / svg.clientWidth;
      move((from[0] - event.clientX) * scale, (event.clientY - from[1]) * scale);
      from = [event.clientX, event.clientY];
    });
    ["pointerup", "pointercancel"].forEach((name) => svg.addEventListener(name, () => { from = null; }));
    show();
  });

  // the document: packed within the link; unpacked where the browser can
  const link = document.getElementById("download");
  if (link && window.DecompressionStream) {
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      const packed = Uint8Array.from(atob(link.href.split(",")[1]), (letter) => letter.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      const address = URL.createObjectURL(await new Response(stream).blob());
      const saving = document.createElement("a");
      saving.href = address;
      saving.download = link.dataset.name;
      saving.click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
    });
  }

  // a link to what is folded opens it
  const unfold = () => {
    const one = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (one && one.tagName === "DETAILS") one.open = true;
  };
  window.addEventListener("hashchange", unfold);
  unfold();

  // where the reader is
  if (window.IntersectionObserver) {
    const links = new Map(all("nav a").map((one) => [one.getAttribute("href").slice(1), one]));
    const watch = new IntersectionObserver((entries) => entries.forEach((entry) => {
      if (!entry.isIntersecting) return;
      links.forEach((one) => one.removeAttribute("aria-current"));
      const here = links.get(entry.target.id);
      if (here) here.setAttribute("aria-current", "true");
    }), { rootMargin: "-10% 0px -80% 0px" });
    all("main > section").forEach((section) => watch.observe(section));
  }
})();
