/* <pseudo-labels>: EM moves the labels of a dozen predictions until their mean is as even as fairness is worth.
 *
 * A classic script that needs plane.js before it, and nothing else. The first half is pure mathematics, open to tests
 * as `window.pseudoLabels`; the second half is the custom element.
 *
 * Problem (Zhang & Boykov, arXiv 2301.11405; reverse cross-entropy and strong fairness, in nats), with u uniform:
 *   minimise over y_i in the simplex:  -mean_i sum_c sigma_ic ln y_ic - weight sum_c u_c ln mean_i y_ic
 * Predictions are positive throughout, and EM starts at them.
 */
(function () {
  "use strict";

  const { still, number, set, Figure } = window.plane;

  // ------------------------------------------------------------------------------------------- mathematics

  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const mean = (rows) => rows[0].map((_, c) => sum(rows.map((row) => row[c])) / rows.length);

  /** Twelve predictions of three clusters; most are of the first, and few of the last. */
  const PREDICTIONS = [
    [0.9, 0.05, 0.05], [0.85, 0.1, 0.05], [0.8, 0.06, 0.14], [0.7, 0.22, 0.08], [0.72, 0.06, 0.22], [0.58, 0.32, 0.1],
    [0.5, 0.2, 0.3], [0.42, 0.46, 0.12], [0.25, 0.65, 0.1], [0.08, 0.86, 0.06], [0.3, 0.32, 0.38], [0.12, 0.14, 0.74],
  ];

  /** The slopes weight u_c / mean_i y_ic of the fairness term. */
  const slopes = (targets, weight) => mean(targets).map((share) => weight / (share * targets[0].length));

  /** One iteration of EM: y_ic becomes sigma_ic + weight u_c y_ic / mean_i y_ic, and each row is normalised. */
  function update(probs, targets, weight) {
    const slope = slopes(targets, weight);
    return probs.map((row, i) => {
      const raised = row.map((p, c) => p + slope[c] * targets[i][c]), total = sum(raised);
      return raised.map((v) => v / total);
    });
  }

  /** The value of the problem at `targets`. */
  function value(probs, targets, weight) {
    const cross = (p, q) => -sum(p.map((v, c) => v * Math.log(q[c])));
    const even = probs[0].map(() => 1 / probs[0].length);
    return sum(probs.map((row, i) => cross(row, targets[i]))) / probs.length + weight * cross(even, mean(targets));
  }

  /** How far at most the value at `targets` is above the optimum, by duality.
   *
   * Each row has a multiplier mu with sum_c sigma_c / (mu - slope_c) = 1, by Newton's method from the left, and the
   * gap is the mean of sum_c [r_c - sigma_c - sigma_c ln(r_c / sigma_c)] with r_c = y_c (mu - slope_c). The multiplier
   * is written as an excess over the steepest slope, so that small differences keep their digits.
   */
  function gap(probs, targets, weight) {
    const slope = slopes(targets, weight), steepest = Math.max(...slope), below = slope.map((v) => steepest - v);
    return sum(probs.map((row, i) => {
      let excess = Math.max(...row.map((p, c) => p - below[c]));
      for (let round = 0; round < 50; round++) {
        const ratio = row.map((p, c) => p / (below[c] + excess)), total = sum(ratio);
        const fall = sum(ratio.map((v, c) => v / (below[c] + excess)));
        const step = (total * Math.max(total - 1, 0)) / fall;
        excess += step;
        if (step <= 1e-4 * excess) break; // the next would be its square, and the gap moves by that one's square
      }
      return sum(row.map((p, c) => {
        const r = targets[i][c] * (below[c] + excess), more = (r - p) / p;
        return p * (more - (Math.abs(more) < 0.5 ? Math.log1p(more) : Math.log(r / p)));
      }));
    })) / probs.length;
  }

  /** All iterates of EM from the predictions until the gap is within `tolerance`, each with its value and gap. */
  function solve(probs, weight, { tolerance = 1e-5, limit = 20000 } = {}) {
    const at = (targets) => ({ targets, value: value(probs, targets, weight), gap: gap(probs, targets, weight) });
    const path = [at(probs)];
    while (path.length <= limit && !(path[path.length - 1].gap <= tolerance)) {
      path.push(at(update(probs, path[path.length - 1].targets, weight)));
    }
    return path;
  }

  /** The nearest probabilities of at least `floor` to a point that sums to one. */
  function project(point, floor) {
    const spare = 1 - floor * point.length, sorted = point.map((v) => v - floor).sort((a, b) => b - a);
    const cuts = sorted.map((_, j) => (sum(sorted.slice(0, j + 1)) - spare) / (j + 1));
    const cut = cuts[sorted.filter((v, j) => v > cuts[j]).length - 1];
    return point.map((v) => Math.max(v - floor - cut, 0) + floor);
  }

  window.pseudoLabels = { PREDICTIONS, update, value, gap, solve, project };

  // ------------------------------------------------------------------------------------------- the element

  const WEIGHTS = [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100], WEIGHT = 3;
  const FLOOR = 0.01, TOLERANCE = 1e-5; // of a prediction; of the gap, in nats
  const BEAT = 0.8, PAUSE = 1.2; // seconds in which a play doubles the iterations; of its still pictures
  const HEIGHT = 5 * Math.sqrt(3), CORNERS = [[-5, -HEIGHT / 2], [5, -HEIGHT / 2], [0, HEIGHT / 2]];
  const MARKS = ["M-.2 0a.2.2 0 1 0 .4 0a.2.2 0 1 0-.4 0z", "M-.18-.18h.36v.36h-.36z", "M0 .25L.23-.16H-.23z"];
  const NAMES = ["A", "B", "C"], TICKS = [0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000];
  const TOP = 2, BOTTOM = -6, LEVELS = [1, -1, -3, -5]; // powers of ten in the plot
  const down = (v) => Math.max(0, Math.min(100, (100 * (TOP - Math.log10(Math.max(v, 1e-300)))) / (TOP - BOTTOM)));
  const place = (p) => [0, 1].map((j) => sum(p.map((v, c) => v * CORNERS[c][j])));
  const coordinates = (x, y) => {
    const last = (y + HEIGHT / 2) / HEIGHT, second = (x + 5 - 5 * last) / 10;
    return [1 - second - last, second, last];
  };
  const largest = (p) => p.indexOf(Math.max(...p));
  const percent = (p) => p.map((v, c) => `${NAMES[c]}\u00a0${Math.round(100 * v)}\u00a0%`).join(", ");
  const nats = (v) => (v < 1e-6 ? "below 0.000001" : number(v, 2));
  const each = (tag) => PREDICTIONS.map(() => tag).join("");
  let made = 0;

  const skeleton = (id, [a, b]) => `
    <div class="ps-stage">
      <svg class="pl-plane" viewBox="${-a} ${-b} ${2 * a} ${2 * b}" role="application" aria-describedby="${id}-help">
        <g transform="scale(1 -1)">
          <path class="ps-edge" d="M${CORNERS.join("L")}z"/>
          <path class="ps-border" d="${CORNERS.map(([x, y]) => `M0 ${-HEIGHT / 6}L${-x / 2} ${-HEIGHT / 4 - y / 2}`)
    .join("")}"/>
          <path class="ps-centre" d="M-.5 ${-HEIGHT / 6}h1m-.5-.5v1"/>
          ${each('<line class="ps-link"/>')}
          ${PREDICTIONS.map((_, i) => `<g class="pl-point" role="button" aria-roledescription="movable point"
            data-index="${i}" tabindex="${i ? -1 : 0}"><circle class="pl-ring" r=".38"/><path/></g>`).join("")}
          ${each('<path class="ps-label"/>')}
          <path class="ps-mean" d="M0 .42L.3 0L0-.42L-.3 0z"/>
        </g>
        ${CORNERS.map(([x, y], c) => `<text x="${1.09 * x}" y="${-1.09 * y + (y > 0 ? 0 : 0.35)}">${NAMES[c]}</text>`)
    .join("")}
      </svg>
      <p class="pl-legend"><span class="ps-key-point">prediction</span><span class="ps-key-label">its label</span>
        <span class="ps-key-mean">mean of the labels</span><span class="ps-key-centre">even shares</span></p>
      <p class="pl-help" id="${id}-help">Drag a prediction. By keyboard: Tab to one, arrow keys move it, Page Up and
        Page Down choose another.</p>
      <div class="pl-controls">
        <label>λ, the fairness weight <input type="range" min="0" max="${WEIGHTS.length - 1}"
          step="1"><output></output></label>
        <button type="button" data-do="step">Step</button><button type="button" data-do="play">Play</button>
        <button type="button" data-do="reset">Reset</button>
      </div>
      <p class="ps-caption" aria-hidden="true"></p>
      <div class="ps-plot">
        <p><span class="ps-key-gap">gap</span> <span class="ps-key-above">value − optimum</span></p>
        <div class="ps-up" aria-hidden="true">${LEVELS.map((power) => `<span
          style="top:${down(10 ** power)}%">${number(10 ** power, 1)}</span>`).join("")}</div>
        <div class="ps-area" role="img"><svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true"><path
          class="ps-grid" d="${LEVELS.map((power) => `M0 ${down(10 ** power)}H100`).join("")}"/><path
          class="ps-gap"/><path class="ps-above"/></svg><i></i></div>
        <div class="ps-across" aria-hidden="true"></div>
        <p class="ps-unit">nats, over iterations of EM</p>
      </div>
      <p class="pl-hidden" aria-live="polite"></p>
    </div>`;

  class PseudoLabels extends Figure {
    half = [6, 5.3];

    build() {
      this.innerHTML = skeleton(`pseudo-labels-${++made}`, this.half);
      [this.slider, this.plane, this.area] = ["input", ".pl-plane", ".ps-area"].map((name) => this.querySelector(name));
      this.slider.addEventListener("input", () => this.solve());
      const act = { step: () => this.step(), play: () => this.toggle(), reset: () => this.reset() };
      this.querySelectorAll("button").forEach((button) => button.addEventListener("click", act[button.dataset.do]));
      this.listen(this.plane);
      this.reset();
    }

    reset() {
      this.x = PREDICTIONS.map(place);
      this.slider.value = WEIGHTS.indexOf(WEIGHT);
      this.t = 0; // the iteration that is shown
      this.ended = false;
      this.solve();
    }

    move(i, x, y) {
      this.x[i] = place(project(coordinates(x, y), FLOOR));
    }

    /** Solves for the present predictions; shown is the same iteration as before, or the end if the end was shown. */
    solve({ warm = false } = {}) {
      this.stop();
      this.weight = WEIGHTS[this.slider.value];
      this.probs = this.x.map((p) => coordinates(...p));
      // While a point is dragged, no further than what is shown.
      this.path = solve(this.probs, this.weight, { tolerance: warm ? TOLERANCE : 1e-8 });
      this.optimum = this.path[this.path.length - 1].value;
      this.last = this.path.findIndex((state) => state.gap <= TOLERANCE); // where the library stops
      if (this.last < 0) this.last = this.path.length - 1;
      this.scale();
      this.go(this.ended ? this.last : Math.min(this.t, this.last));
    }

    step() {
      this.stop();
      this.go(Math.min(this.t + 1, this.last));
    }

    begin() {
      this.from = this.t < this.last ? this.t : 0;
      this.go(this.from);
    }

    /** One moment of a play: the number of iterations doubles in equal times, or in still pictures. */
    frame(seconds) {
      const doublings = still.matches ? Math.floor(seconds / PAUSE) : seconds / BEAT;
      const t = Math.min((1 + this.from) * 2 ** doublings - 1, this.last);
      this.go(Math.floor(t), t % 1);
      return t < this.last;
    }

    /** Shows an iteration, with the labels some way towards the next. */
    go(t, way = 0) {
      this.t = t;
      this.ended = t > 0 && t === this.last;
      this.draw(way);
    }

    draw(way = 0) {
      const { t, probs, path, last } = this, now = path[t], next = path[Math.min(t + 1, last)].targets;
      const labels = now.targets.map((row, i) => row.map((v, c) => v + way * (next[i][c] - v)));
      const nodes = ["link", "label"].map((name) => this.plane.querySelectorAll(`.ps-${name}`));
      this.plane.querySelectorAll(".pl-point").forEach((node, i) => {
        const [x, y] = this.x[i], [u, v] = place(labels[i]), own = largest(probs[i]), given = largest(labels[i]);
        set(node, { transform: `translate(${x} ${y})`, "data-cluster": own,
          "aria-label": `Prediction ${i + 1}: ${percent(probs[i])}; its label: ${percent(labels[i])}` });
        set(node.lastElementChild, { d: MARKS[own] });
        set(nodes[0][i], { x1: x, y1: y, x2: u, y2: v });
        set(nodes[1][i], { transform: `translate(${u} ${v}) scale(1.4)`, "data-cluster": given, d: MARKS[given] });
      });
      const shares = mean(labels), [x, y] = place(shares);
      set(this.plane.querySelector(".ps-mean"), { transform: `translate(${x} ${y})` });
      set(this.plane, { "aria-label": `Predictions and labels, three clusters: on average ${percent(shares)}` });
      set(this.slider, { "aria-valuetext": `fairness weight ${this.weight}` });
      this.put("output", this.weight);
      this.plot();
      const text = `Iteration ${t}${t === last ? ", converged" : ""}: value ${now.value.toFixed(4)} nats, ` +
        `gap ${nats(now.gap)} nats. Shares of the labels: ${percent(mean(now.targets))}.`;
      this.put(".ps-caption", text);
      if (!this.running) this.say(text); // what moves is not read out, only where it comes to rest
    }

    /** Fits the plot's axis to a path, by the logarithm of one plus the iteration. */
    scale() {
      const last = Math.max(this.last, 1);
      this.across = (t) => (100 * Math.log1p(t)) / Math.log1p(last);
      this.querySelector(".ps-across").innerHTML = TICKS.filter((t) => t <= last)
        .map((t) => `<span style="left:${this.across(t)}%">${t}</span>`).join("");
    }

    /** The plot up to the present iteration: the gap, and what it bounds. */
    plot() {
      const past = this.path.slice(0, this.t + 1), now = past[this.t];
      const curve = (height) => `M${past.map((state, t) => [this.across(t), down(height(state))]).join("L")}`;
      set(this.area.querySelector(".ps-gap"), { d: curve((state) => state.gap) });
      set(this.area.querySelector(".ps-above"), { d: curve((state) => state.value - this.optimum) });
      set(this.area.querySelector("i"), { style: `left:${this.across(this.t)}%;top:${down(now.gap)}%` });
      const told = `Gap ${nats(past[0].gap)} nats at first, ${nats(now.gap)} at iteration ${this.t}`;
      set(this.area, { "aria-label": told });
    }
  }

  customElements.define("pseudo-labels", PseudoLabels);
})();
