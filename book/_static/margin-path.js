/* <margin-path>: as the norm gets cheaper, the boundary of least loss moves to the middle of the widest fair gap.
 *
 * A classic script that needs plane.js before it, and nothing else. The first half is pure mathematics, open to tests
 * as `window.marginPath`; the second half is the custom element. The loss is that of plane.js, with fairness 1.
 */
(function () {
  "use strict";

  const { dot, evaluate, minimise, rescale, halvings, sweep } = window.plane;
  const { still, number, flip, sides, set, ends, picture, Figure } = window.plane;

  // ------------------------------------------------------------------------------------------- mathematics

  const sum = (values) => values.reduce((a, b) => a + b, 0);

  /** Two rows of six: the widest fair gap lies between them; that of the point on the far right alone is wider. */
  const POINTS = [
    [-2.8, 2.3], [-2.7, 1.6], [-1.9, 1.4], [0.9, 1.7], [1.6, 0.4], [3.8, 1.3],
    [-2.9, -1.1], [-2.3, -0.5], [-1.8, -0.7], [-0.5, -1.3], [0.6, -2.4], [1.7, -1.5],
  ];

  /** Every split of at most 31 points by a line, once each, as labels; those of the first point are 0. */
  function dichotomies(x) {
    const found = new Map(), n = x.length;
    sweep(x, (order, key) => {
      for (let m = 1, bits = 0; m < n; m++) {
        bits |= 1 << order[m - 1];
        const name = bits & 1 ? ~bits & ((1 << n) - 1) : bits; // of the side without the first point
        if (key[order[m]] - key[order[m - 1]] > 1e-9) found.set(name, x.map((_, i) => (name >> i) & 1));
      }
    });
    return [...found.values()];
  }

  /** The middle of the gap between two classes: the margin is half its width, and |w.x + b| is 1 at its edges.
   *
   * The hulls are nearest in a point of the one and a point on a segment between two of the other, so all are tried.
   */
  function hardMargin(x, labels) {
    let gap = { width: Infinity };
    for (let j = 0; j < x.length; j++) for (let k = j; k < x.length; k++) {
      if (labels[j] !== labels[k]) continue;
      const [u, v] = x[j], du = x[k][0] - u, dv = x[k][1] - v, square = du * du + dv * dv;
      for (let i = 0; i < x.length; i++) {
        if (labels[i] === labels[j]) continue;
        const p = x[i], share = square && Math.max(0, Math.min(1, ((p[0] - u) * du + (p[1] - v) * dv) / square));
        const foot = [u + share * du, v + share * dv], width = Math.hypot(p[0] - foot[0], p[1] - foot[1]);
        if (width < gap.width) gap = { width, from: labels[i] ? foot : p, to: labels[i] ? p : foot };
      }
    }
    const { width, from, to } = gap, w = to.map((v, a) => (2 * (v - from[a])) / width ** 2);
    return { labels, margin: width / 2, w, b: -(dot(w, from) + dot(w, to)) / 2 };
  }

  /** The gaps of all fair splits, widest first, and the widest of all others; fair are the most even that there are. */
  function gaps(x) {
    const tilt = (gap) => Math.abs(x.length - 2 * sum(gap.labels));
    const all = dichotomies(x).map((labels) => hardMargin(x, labels)).sort((a, b) => b.margin - a.margin);
    const least = Math.min(...all.map(tilt));
    return { fair: all.filter((gap) => tilt(gap) === least), unfair: all.find((gap) => tilt(gap) > least) };
  }

  /** The boundary of least loss at one gamma, by descent on the logarithm of the loss.
   *
   * The starts: the middle of every fair gap, at the norm ln(1/gamma) / margin; the solution `near` by, if any; and,
   * while gamma is large, 12 directions through the median, each at three norms. The lowest loss wins. `growth` is
   * the norm over what it tends to as gamma falls, ln(1/gamma) / m*, with m* the widest fair margin.
   */
  function solve(x, gamma, { fair }, near = null) {
    const size = Math.max(1, -Math.log(gamma)), unit = size / fair[0].margin;
    const starts = fair.map(({ w, b }) => [...w, b].map((v) => size * v));
    if (near) starts.push([...near.w, near.b]);
    for (const spread of gamma > 1e-6 ? [0.3, 1, 3] : []) {
      starts.push(...halvings(x).map((line) => rescale(x, line, spread)));
    }
    const f = (z) => {
      const { loss, gradient } = evaluate(x, z.map((v) => unit * v), gamma);
      return { loss: Math.log(loss), gradient: gradient.map((g) => (unit * g) / loss) };
    };
    const results = starts.map((start) => minimise(f, start.map((v) => v / unit), { tolerance: 1e-7 }));
    const best = results.reduce((a, b) => (b.loss < a.loss ? b : a)).theta.map((v) => unit * v);
    const w = best.slice(0, 2), b = best[2], norm = Math.hypot(...w), flat = norm < 1e-6;
    const margin = flat ? 0 : Math.min(...x.map((p) => Math.abs(dot(w, p) + b))) / norm;
    const [u, v] = fair[0].w, angle = flat ? NaN
      : (Math.atan2(Math.abs(w[0] * v - w[1] * u), Math.abs(w[0] * u + w[1] * v)) * 180) / Math.PI;
    return { gamma, w, b, loss: evaluate(x, best, gamma).loss, norm, margin, angle,
      ratio: margin / fair[0].margin, growth: (norm * fair[0].margin) / -Math.log(gamma) };
  }

  window.marginPath = { POINTS, evaluate, dichotomies, hardMargin, gaps, solve };

  // ------------------------------------------------------------------------------------------- the element

  // The scale of gamma = 10 ** -exponent: each of its seven marks squares gamma, so the exponent doubles.
  const MARKS = [0.5, 1, 2, 4, 8, 16, 32, 64], LAST = 64, START = 2;
  const EXPONENTS = Array.from({ length: 57 }, (_, i) => 2 ** (i / 8 - 1)); // of the path
  const across = (exponent) => (100 * (Math.log2(exponent) + 1)) / 7; // per cent of the plot's width
  const SECONDS = 8, PAUSE = 1.2, SLICE = 12; // of the play; of its steps where motion is unwelcome; in milliseconds
  // Upwards the plot counts what is missing, in powers of ten: a shortfall of c / ln(1 / gamma) is a straight line.
  const RATIOS = [0, 0.9, 0.99, 0.999], TOP = 3.3;
  const up = (ratio) => 100 * Math.min(1, -Math.log10(Math.max(1 - ratio, 1e-9)) / TOP);
  const power = (exponent) => `10<sup>−${number(exponent, 3)}</sup>`;
  const percent = (ratio) => `${(100 * ratio).toFixed(ratio < 0.985 ? 0 : ratio < 0.9985 ? 1 : 2)} %`;
  const BANDS = ["unfair", "fair", "present"], TERMS = {
    gamma: "norm penalty γ", loss: "loss, nats", split: "points on either side", ratio: "margin / <i>m</i>*",
    angle: "angle to the fair gap", growth: "‖<i>w</i>‖ / (ln(1/γ) / <i>m</i>*)",
  };
  const band = (name) => `<g class="mp-${name}"><line class="mp-band"/><line/><line class="mp-edge"/><line
    class="mp-edge"/></g>`;
  let made = 0;

  /** A number in HTML, where it is small as a power of ten. */
  function written(value) {
    if (value >= 0.01) return number(value, 3);
    const [digits, exponent] = value.toExponential(2).split("e-");
    return `${digits} · ${power(Number(exponent))}`;
  }

  const skeleton = (id, half) => `
    <div class="mp-stage">
      <div class="mp-top">
        ${picture({ id, name: "margin", half, count: POINTS.length, under: BANDS.map(band).join("") })}
        <dl>${Object.entries(TERMS).map(([name, term]) => `<div><dt>${term}</dt><dd data-value="${name}"></dd></div>`)
    .join("")}</dl>
      </div>
      <p class="pl-legend"><span class="pl-key-line">boundary</span><span class="mp-key-band">margin</span>
        <span class="mp-key-fair">widest fair gap, margin <i>m</i>*</span>
        <span class="mp-key-unfair">widest unfair gap<b></b></span><span class="pl-key-tint">confidence</span></p>
      <p class="pl-help" id="${id}-help">Drag a point. By keyboard: Tab to a point, arrow keys move it, Page Up and Page
        Down choose another.</p>
      <div class="mp-plot">
        <p>margin / <i>m</i>*<span>, on a scale of what is missing; each mark squares γ</span></p>
        <div class="mp-up">${RATIOS.map((ratio) => `<span style="bottom:${up(ratio)}%">${100 * ratio} %</span>`)
    .join("")}</div>
        <div class="mp-area" role="img"><svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
          <path class="mp-grid" d="${RATIOS.map((v) => `M0 ${100 - up(v)}H100`).join("")}${
    MARKS.map((v) => `M${across(v)} 0V100`).join("")}"/><path class="mp-future"/><path class="mp-past"/>
          <path class="mp-now"/></svg><i></i></div>
        <div class="mp-across" aria-hidden="true">${MARKS.map((exponent) => `<span
          style="left:${across(exponent)}%">${power(exponent)}</span>`).join("")}</div>
        <label><span>γ</span><input type="range" min="-1" max="6" step="0.0625"
          aria-label="γ, the norm penalty"></label>
      </div>
      <div class="pl-controls"><button type="button" data-do="play">Play</button><button type="button"
        data-do="reset">Reset</button><p class="mp-caption" aria-hidden="true"></p></div>
      <p class="pl-hidden" aria-live="polite"></p>
    </div>`;

  class MarginPath extends Figure {
    half = [4.8, 3];

    build() {
      this.innerHTML = skeleton(`margin-path-${++made}`, this.half);
      [this.slider, this.plane, this.area] = ["input", ".pl-plane", ".mp-area"].map((name) => this.querySelector(name));
      this.slider.addEventListener("input", () => { this.stop(); this.follow(2 ** this.slider.value); });
      this.querySelector("[data-do=play]").addEventListener("click", () => this.toggle());
      this.querySelector("[data-do=reset]").addEventListener("click", () => this.reset());
      this.listen(this.plane);
      this.path = [];
      this.next = 0; // of the path, to be solved
      this.reset();
    }

    disconnectedCallback() {
      super.disconnectedCallback();
      cancelAnimationFrame(this.slice);
    }

    reset() {
      this.x = POINTS.map((p) => [...p]);
      this.exponent = START;
      this.line = null;
      this.solve();
    }

    /** Solves for the present points: their gaps and the present gamma at once, the path in slices of a few ms. */
    solve() {
      this.stop();
      this.gaps = gaps(this.x);
      this.stale = EXPONENTS.length;
      this.follow(this.exponent);
      cancelAnimationFrame(this.slice);
      this.slice = requestAnimationFrame(() => this.refresh());
    }

    /** Goes to another gamma, from the last solution. */
    follow(exponent) {
      this.exponent = exponent;
      const line = solve(this.x, 10 ** -exponent, this.gaps, this.line), before = this.line?.w ?? [0, 1];
      this.line = dot(line.w, before) < 0 ? flip(line) : line; // the names of clusters are free: A stays where it was
      this.draw();
    }

    refresh() {
      for (const end = performance.now() + SLICE; this.stale && performance.now() < end; this.stale--) {
        const i = this.next;
        this.path[i] = solve(this.x, 10 ** -EXPONENTS[i], this.gaps, this.path[i - 1]);
        this.next = (i + 1) % EXPONENTS.length;
      }
      this.plot();
      if (this.stale) this.slice = requestAnimationFrame(() => this.refresh());
    }

    draw() {
      const { x, line, exponent } = this, [widest] = this.gaps.fair, other = this.gaps.unfair;
      const labels = sides(x, line), first = sum(labels), second = x.length - first, flat = line.norm < 1e-6;
      this.paint(this.plane, "Entropy clustering", line, labels);
      this.strip("unfair", other ?? widest);
      this.strip("fair", widest);
      this.strip("present", line);
      const even = (gap) => [sum(gap.labels), x.length - sum(gap.labels)].sort((a, b) => b - a).join(" : ");
      this.put(".mp-key-unfair b", other ? `, ${even(other)}` : ": none");
      const values = {
        gamma: power(exponent), loss: written(line.loss), split: `${first} : ${second}`,
        ratio: flat ? "–" : percent(line.ratio), angle: flat ? "–" : `${line.angle.toFixed(1)}°`,
        growth: line.growth.toFixed(3),
      };
      for (const [name, html] of Object.entries(values)) this.querySelector(`[data-value=${name}]`).innerHTML = html;
      const gamma = `gamma 10 to the minus ${number(exponent, 3)}`;
      this.slider.value = Math.log2(exponent);
      this.slider.setAttribute("aria-valuetext", gamma);
      const same = [0, x.length].includes(labels.filter((k, i) => k === widest.labels[i]).length);
      const verdict = flat ? "The norm is too dear for any boundary."
        : same ? `The split of the widest fair gap, and ${percent(line.ratio)} of its margin.`
          : first === second ? "A fair split, but not yet the one with the widest gap."
            : "Not yet a fair split: the norm is still dear.";
      this.put(".mp-caption", verdict);
      this.plot();
      if (this.running) return; // what moves is not read out, only where it comes to rest
      this.say(`At ${gamma}: loss ${line.loss.toExponential(2)}, ${first} to ${second} points` +
        `${flat ? "" : `, margin ${percent(line.ratio)}, angle ${line.angle.toFixed(1)} degrees`}. ${verdict}`);
    }

    /** A gap: its middle, its two edges, and the band between them. */
    strip(name, { w, b, margin }) {
      const norm = Math.hypot(...w) || 1, lines = this.plane.querySelectorAll(`.mp-${name} line`);
      [0, 0, -margin * norm, margin * norm].forEach((logit, i) => set(lines[i], ends({ w, b }, logit)));
      set(lines[0], { "stroke-width": 2 * margin });
    }

    /** The margin against gamma: one curve for each split of the points, strong up to the present gamma. */
    plot() {
      const side = ({ w, b }) => sides(this.x, { w, b }).map((k, i, all) => k ^ all[0]).join("");
      const curve = (places) => places.map(([exponent, line], i) => {
        const joined = i && side(line) === side(places[i - 1][1]);
        return `${joined ? "L" : "M"}${across(exponent)} ${100 - up(line.ratio)}`;
      }).join("");
      const known = this.path.map((line, i) => [EXPONENTS[i], line]), now = [this.exponent, this.line];
      const past = known.filter(([exponent]) => exponent < this.exponent);
      const [left, bottom] = [across(this.exponent), up(this.line.ratio)];
      set(this.area.querySelector(".mp-past"), { d: curve([...past, now]) });
      set(this.area.querySelector(".mp-future"), { d: curve([now, ...known.slice(past.length)]) });
      set(this.area.querySelector(".mp-now"), { d: `M${left} 0V100` });
      set(this.area.querySelector("i"), { style: `left:${left}%;bottom:${bottom}%` });
      const told = MARKS.map((exponent) => [exponent, this.path[EXPONENTS.indexOf(exponent)]]);
      set(this.area, { "aria-label": "Margin, as a share of the widest fair one: " + told.filter(([, line]) => line)
        .map(([exponent, line]) => `${percent(line.ratio)} at gamma 10 to the minus ${exponent}`).join(", ") });
    }

    begin() {
      this.follow(MARKS[0]);
    }

    /** One moment of the fall of gamma: its exponent doubles in equal times, or in seven still pictures. */
    frame(seconds) {
      const doublings = still.matches ? Math.floor(seconds / PAUSE) : (7 * seconds) / SECONDS;
      const exponent = 2 ** (Math.min(doublings, 7) - 1);
      if (exponent !== this.exponent) this.follow(exponent);
      return exponent < LAST;
    }
  }

  customElements.define("margin-path", MarginPath);
})();
