/* <two-strips>: one data set, two objectives. K-means cuts two strips across; entropy clustering tells them apart.
 *
 * A classic script that needs plane.js before it, and nothing else. The first half is pure mathematics, open to tests
 * as `window.twoStrips`; the second half is the custom element. The loss is that of plane.js.
 */
(function () {
  "use strict";

  const { dot, evaluate, minimise, rescale, halvings, sweep } = window.plane;
  const { still, number, flip, sides, set, ends, picture, Figure } = window.plane;

  // ------------------------------------------------------------------------------------------- mathematics

  /** Forty points in two strips: 20 at y = 1.5 moved right by `shear`, then 20 at y = -1.5 moved left by it. */
  function points(shear = 0) {
    const x = Array.from({ length: 20 }, (_, i) => -5 + (10 * i) / 19);
    return [...x.map((v) => [v + shear, 1.5]), ...x.map((v) => [v - shear, -1.5])];
  }

  const CERTAIN = 1000; // a logit of which the entropy is zero in double precision

  /** Entropy clustering by descent from 39 fixed starts (or from `warm` alone); the lowest loss wins.
   *
   * The starts: the K-means cut and 12 directions through the median, each at three norms. `fromCut` is the lowest
   * loss that the K-means cut leads to, so that a reader sees what a single start would have missed. Where fairness
   * weighs less than one there are starts through other quantiles as well, and all points in one cluster: no boundary,
   * at the price of fairness ln 2, which is the limit of b without bound.
   */
  function fit(x, gamma, { fairness = 1, warm = null, cut = warm ? null : kmeans(x) } = {}) {
    const shares = fairness < 1 ? [0.1, 0.25, 0.5, 0.75, 0.9] : [0.5];
    const lines = warm ? [] : [[...cut.w, cut.b], ...shares.flatMap((share) => halvings(x, share))];
    const starts = warm ? [warm] : lines.flatMap((line) => [1, 3, 9].map((spread) => rescale(x, line, spread)));
    const found = starts.map((start) => minimise((theta) => evaluate(x, theta, gamma, fairness), start));
    let best = found.reduce((a, b) => (b.loss < a.loss ? b : a));
    const one = { theta: [0, 0, CERTAIN], loss: fairness * Math.LN2 };
    if (!warm && fairness < 1 && !(best.loss < one.loss - 1e-12)) best = one; // some descents tend to it
    const fromCut = warm ? null : Math.min(...found.slice(0, 3).map((end) => end.loss));
    return { w: best.theta.slice(0, 2), b: best.theta[2], loss: best.loss, starts: starts.length, fromCut };
  }

  /** The global optimum of K-means with k = 2, by enumeration: a line separates its clusters. */
  function kmeans(x) {
    const n = x.length, mean = [0, 1].map((j) => x.reduce((sum, p) => sum + p[j], 0) / n);
    const centred = x.map((p) => [p[0] - mean[0], p[1] - mean[1]]);
    let best = { between: -1 };
    sweep(x, (order) => {
      for (let m = 1, sx = 0, sy = 0; m < n; m++) { // sums of the prefix give the scatter between the clusters
        sx += centred[order[m - 1]][0];
        sy += centred[order[m - 1]][1];
        const between = (sx * sx + sy * sy) * (1 / m + 1 / (n - m));
        if (between > best.between * (1 + 1e-12)) best = { between, prefix: order.slice(0, m) };
      }
    });
    const labels = x.map(() => 1);
    best.prefix.forEach((i) => { labels[i] = 0; });
    const centers = [0, 1].map((k) => [0, 1].map((j) => {
      const members = x.filter((_, i) => labels[i] === k);
      return members.reduce((sum, p) => sum + p[j], 0) / members.length;
    }));
    const sse = x.reduce((total, p, i) => {
      const [u, v] = centers[labels[i]];
      return total + (p[0] - u) ** 2 + (p[1] - v) ** 2;
    }, 0);
    const w = [centers[1][0] - centers[0][0], centers[1][1] - centers[0][1]]; // the boundary: equally far from both
    return { labels, centers, sse, w, b: (dot(centers[0], centers[0]) - dot(centers[1], centers[1])) / 2 };
  }

  /** The best classifier at each of `steps` + 1 angles between two boundaries {w, b}, the shorter way round.
   *
   * It is followed from the first to the last, and back; where the two differ, the lower loss wins.
   */
  function turn(x, gamma, from, to, { steps = 120, fairness = 1 } = {}) {
    const start = Math.atan2(from.w[1], from.w[0]), whole = Math.atan2(to.w[1], to.w[0]) - start;
    const sweep = whole - 2 * Math.PI * Math.round(whole / (2 * Math.PI));
    const [u, v, bias] = rescale(x, [...from.w, from.b], 3);
    const follow = (order, z) => order.map((i) => { // norm and bias; each angle starts where the last one ended
      const angle = start + (sweep * i) / steps, c = Math.cos(angle), s = Math.sin(angle);
      const best = minimise((point) => {
        const { loss, gradient } = evaluate(x, [point[0] * c, point[0] * s, point[1]], gamma, fairness);
        return { loss, gradient: [gradient[0] * c + gradient[1] * s, gradient[2]] };
      }, z, { tolerance: 1e-6 });
      z = best.theta;
      const turned = Math.abs((sweep * i * 180) / (steps * Math.PI)); // degrees
      return { w: [z[0] * c, z[0] * s], b: z[1], loss: best.loss, turned };
    });
    const order = Array.from({ length: steps + 1 }, (_, i) => i);
    const there = follow(order, [Math.hypot(u, v), bias]);
    const back = follow([...order].reverse(), [Math.hypot(...to.w), to.b]).reverse();
    return order.map((i) => (back[i].loss < there[i].loss ? back[i] : there[i]));
  }

  const loss = (x, theta, gamma, fairness) => evaluate(x, theta, gamma, fairness).loss;
  const gradient = (x, theta, gamma, fairness) => evaluate(x, theta, gamma, fairness).gradient;
  window.twoStrips = { points, loss, gradient, fit, kmeans, turn };

  // ------------------------------------------------------------------------------------------- the element

  const SECONDS = 3.5, GAMMA = 0.01, FAIRNESS = 1; // of the turn; at the start
  const TITLES = { kmeans: "K-means", entropy: "Entropy clustering" };
  const matches = (a, b) => a.filter((k, i) => k === b[i]).length;
  let made = 0;

  const panel = (name, id, half) => `
    <div>
      <p class="ts-title"><strong>${TITLES[name]}</strong> <span class="ts-value" data-value="${name}"></span></p>
      ${picture({ id, name, half, count: points().length, under: '<line class="ts-ghost"/>' })}
    </div>`;

  const skeleton = (id, half) => `
    <div class="ts-stage">
      <div class="ts-panels">${panel("kmeans", id, half)}${panel("entropy", id, half)}</div>
      <p class="pl-legend"><span class="pl-key-1">cluster A</span><span class="pl-key-0">cluster B</span>
        <span class="pl-key-line">boundary</span><span class="pl-key-line ts-key-ghost">K-means’ boundary</span>
        <span class="pl-key-tint">confidence</span></p>
      <p class="pl-help" id="${id}-help">Drag a point. By keyboard: Tab to a point, arrow keys move it, Page Up and Page
        Down choose another.</p>
      <div class="pl-controls">
        <div class="ts-sliders">
          <label><span>γ, the norm penalty</span><input type="range" data-set="gamma" min="-4" max="-1"
            step="0.05"><output></output></label>
          <label><span>λ, the fairness weight</span><input type="range" data-set="fairness" min="0" max="3"
            step="0.05"><output></output></label>
        </div>
        <button type="button" data-do="play">Play</button><button type="button" data-do="shear">Shear</button>
        <button type="button" data-do="reset">Reset</button>
      </div>
      <p class="ts-caption" aria-hidden="true"></p><p class="pl-hidden" aria-live="polite"></p>
    </div>`;

  class TwoStrips extends Figure {
    half = [7, 4.5];

    build() {
      this.innerHTML = skeleton(`two-strips-${++made}`, this.half);
      this.sliders = [...this.querySelectorAll("input")];
      this.sliders.forEach((slider) => slider.addEventListener("input", () => this.solve()));
      const start = () => {
        [Math.log10(GAMMA), FAIRNESS].forEach((value, i) => { this.sliders[i].value = value; });
        this.reset(0);
      };
      const act = { play: () => this.toggle(), shear: () => this.reset(1.5), reset: start };
      this.querySelectorAll("button").forEach((button) => button.addEventListener("click", act[button.dataset.do]));
      this.querySelectorAll("svg").forEach((svg) => this.listen(svg));
      start();
      if (still.matches) return;
      this.prepare(); // wait on the K-means cut until the figure is seen, then turn once
      this.watcher = new IntersectionObserver((entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        this.watcher.disconnect();
        if (this.played === 0 && !this.running) this.toggle();
      }, { threshold: 0.3 });
      this.watcher.observe(this);
    }

    disconnectedCallback() {
      super.disconnectedCallback();
      this.watcher?.disconnect();
    }

    reset(shear) {
      this.x = points(shear);
      this.solve();
    }

    /** Solves both problems for the present points; while something is dragged, from the last boundary only. */
    solve({ warm = false } = {}) {
      const before = { kmeans: this.kmeans?.w ?? [1, 0], entropy: this.entropy?.w ?? [0, 1] }, n = this.x.length;
      const [gamma, fairness] = [10 ** this.sliders[0].value, Number(this.sliders[1].value)];
      Object.assign(this, { gamma, fairness });
      this.stop();
      let cut = kmeans(this.x);
      let line = fit(this.x, gamma, { fairness, ...(warm ? { warm: [...this.entropy.w, this.entropy.b] } : { cut }) });
      // The names of clusters are free: A stays where it was, and in the right panel where K-means has it.
      if (dot(cut.w, before.kmeans) < 0) cut = { ...flip(cut), labels: cut.labels.map((k) => 1 - k) };
      const same = matches(sides(this.x, line), cut.labels);
      if (same < n / 2 || (same === n / 2 && dot(line.w, before.entropy) < 0)) line = flip(line);
      Object.assign(this, { kmeans: cut, entropy: line });
      this.querySelector("[data-do=play]").disabled = Math.hypot(...line.w) < 1e-6; // no boundary to turn to
      this.draw();
    }

    /** Shows the solutions, or in the right panel one frame of the turn. */
    draw(frame) {
      const { x, gamma, fairness, kmeans: cut, entropy } = this, shown = frame ?? entropy, labels = sides(x, shown);
      const n = x.length, equal = matches(labels, cut.labels), agree = Math.max(equal, n - equal);
      const show = (name, line, k) => this.paint(this.querySelector(`[data-panel=${name}]`), TITLES[name], line, k);
      if (!frame) show("kmeans", { w: cut.w.map((v) => 100 * v), b: 100 * cut.b }, cut.labels); // steep: hard
      show("entropy", shown, labels);
      set(this.querySelector("[data-panel=entropy] .ts-ghost"), ends(cut));
      this.put("[data-value=kmeans]", `SSE ${cut.sse.toFixed(2)}`);
      this.put("[data-value=entropy]", `loss ${shown.loss.toFixed(4)}`);
      const told = [["gamma", number(gamma, 2)], ["fairness weight", number(fairness, 3)]];
      this.sliders.forEach((slider, i) => {
        slider.setAttribute("aria-valuetext", told[i].join(" "));
        slider.nextElementSibling.textContent = told[i][1];
      });
      const { fromCut } = entropy;
      const stuck = fromCut - entropy.loss > 1e-6 ? ` (${fromCut.toFixed(4)} from the K-means cut)` : "";
      const how = Math.abs(entropy.b) === CERTAIN ? "all points in one cluster, which costs λ ln 2"
        : entropy.starts > 1 ? `best of ${entropy.starts} starts${stuck}` : "followed from the last boundary (1 start)";
      const right = frame
        ? `${Math.round(frame.turned)}° from the K-means cut, the best loss is ${frame.loss.toFixed(4)}`
        : `loss ${entropy.loss.toFixed(4)}, ${how}`;
      const text = `K-means: SSE ${cut.sse.toFixed(2)}, the global optimum, by enumeration. ` +
        `Entropy clustering at γ = ${told[0][1]}, λ = ${told[1][1]}: ${right}. ` +
        `They agree on ${agree} of ${n} points (${Math.round((100 * agree) / n)} %).`;
      this.put(".ts-caption", text);
      if (!frame || !this.running) this.say(text); // a moving line is not read out, only where it comes to rest
    }

    begin() {
      this.frames = turn(this.x, this.gamma, this.kmeans, this.entropy, { fairness: this.fairness });
      this.draw(this.frames[0]);
    }

    /** One moment of the turn from the K-means cut to the optimum; it ends by itself. */
    frame(seconds) {
      const t = Math.max(0, seconds - 0.6) / SECONDS, eased = t * t * (3 - 2 * t); // rests 0.6 s on the cut
      if (t < 1) this.draw(this.frames[Math.round(eased * (this.frames.length - 1))]);
      return t < 1;
    }
  }

  customElements.define("two-strips", TwoStrips);
})();
