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

  /** Entropy clustering by descent from 39 fixed starts (or from `warm` alone); the lowest loss wins.
   *
   * The starts: the K-means cut and 12 directions through the median, each at three norms. `fromCut` is the lowest
   * loss that the K-means cut leads to, so that a reader sees what a single start would have missed.
   */
  function fit(x, gamma, { fairness = 1, warm = null, cut = warm ? null : kmeans(x) } = {}) {
    const starts = warm ? [warm]
      : [[...cut.w, cut.b], ...halvings(x)].flatMap((line) => [1, 3, 9].map((spread) => rescale(x, line, spread)));
    const found = starts.map((start) => minimise((theta) => evaluate(x, theta, gamma, fairness), start));
    const best = found.reduce((a, b) => (b.loss < a.loss ? b : a));
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

  /** The best classifier at each of `steps` + 1 angles between two boundaries {w, b}, the shorter way round. */
  function turn(x, gamma, from, to, steps) {
    const start = Math.atan2(from.w[1], from.w[0]), whole = Math.atan2(to.w[1], to.w[0]) - start;
    const sweep = whole - 2 * Math.PI * Math.round(whole / (2 * Math.PI));
    const [u, v, bias] = rescale(x, [...from.w, from.b], 3);
    let z = [Math.hypot(u, v), bias]; // norm and bias; each angle starts where the last one ended
    return Array.from({ length: steps + 1 }, (_, i) => {
      const angle = start + (sweep * i) / steps, c = Math.cos(angle), s = Math.sin(angle);
      const best = minimise((point) => {
        const { loss, gradient } = evaluate(x, [point[0] * c, point[0] * s, point[1]], gamma);
        return { loss, gradient: [gradient[0] * c + gradient[1] * s, gradient[2]] };
      }, z, { tolerance: 1e-6 });
      z = best.theta;
      const turned = Math.abs((sweep * i * 180) / (steps * Math.PI)); // degrees
      return { w: [z[0] * c, z[0] * s], b: z[1], loss: best.loss, turned };
    });
  }

  const loss = (x, theta, gamma, fairness) => evaluate(x, theta, gamma, fairness).loss;
  const gradient = (x, theta, gamma, fairness) => evaluate(x, theta, gamma, fairness).gradient;
  window.twoStrips = { points, loss, gradient, fit, kmeans, turn };

  // ------------------------------------------------------------------------------------------- the element

  const SECONDS = 3.5, GAMMA = 0.01; // of the turn; at the start
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
        <label>γ, the norm penalty <input type="range" min="-4" max="-1" step="0.05"><output></output></label>
        <button type="button" data-do="play">Play</button><button type="button" data-do="shear">Shear</button>
        <button type="button" data-do="reset">Reset</button>
      </div>
      <p class="ts-caption" aria-hidden="true"></p><p class="pl-hidden" aria-live="polite"></p>
    </div>`;

  class TwoStrips extends Figure {
    half = [7, 4.5];

    build() {
      this.innerHTML = skeleton(`two-strips-${++made}`, this.half);
      this.slider = this.querySelector("input");
      this.slider.addEventListener("input", () => this.solve());
      const act = { play: () => this.toggle(), shear: () => this.reset(1.5), reset: () => this.reset(0, GAMMA) };
      this.querySelectorAll("button").forEach((button) => button.addEventListener("click", act[button.dataset.do]));
      this.querySelectorAll("svg").forEach((svg) => this.listen(svg));
      this.reset(0, GAMMA);
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

    reset(shear, gamma) {
      this.x = points(shear);
      if (gamma) this.slider.value = Math.log10(gamma);
      this.solve();
    }

    /** Solves both problems for the present points; while something is dragged, from the last boundary only. */
    solve({ warm = false } = {}) {
      const before = { kmeans: this.kmeans?.w ?? [1, 0], entropy: this.entropy?.w ?? [0, 1] }, n = this.x.length;
      const gamma = (this.gamma = 10 ** this.slider.value);
      this.stop();
      let cut = kmeans(this.x);
      let line = fit(this.x, gamma, warm ? { warm: [...this.entropy.w, this.entropy.b] } : { cut });
      // The names of clusters are free: A stays where it was, and in the right panel where K-means has it.
      if (dot(cut.w, before.kmeans) < 0) cut = { ...flip(cut), labels: cut.labels.map((k) => 1 - k) };
      const same = matches(sides(this.x, line), cut.labels);
      if (same < n / 2 || (same === n / 2 && dot(line.w, before.entropy) < 0)) line = flip(line);
      Object.assign(this, { kmeans: cut, entropy: line });
      this.draw();
    }

    /** Shows the solutions, or in the right panel one frame of the turn. */
    draw(frame) {
      const { x, gamma, kmeans: cut, entropy } = this, shown = frame ?? entropy, labels = sides(x, shown);
      const n = x.length, equal = matches(labels, cut.labels), agree = Math.max(equal, n - equal);
      const show = (name, line, k) => this.paint(this.querySelector(`[data-panel=${name}]`), TITLES[name], line, k);
      if (!frame) show("kmeans", { w: cut.w.map((v) => 100 * v), b: 100 * cut.b }, cut.labels); // steep: hard
      show("entropy", shown, labels);
      set(this.querySelector("[data-panel=entropy] .ts-ghost"), ends(cut));
      this.put("output", number(gamma, 2));
      this.put("[data-value=kmeans]", `SSE ${cut.sse.toFixed(2)}`);
      this.put("[data-value=entropy]", `loss ${shown.loss.toFixed(4)}`);
      this.slider.setAttribute("aria-valuetext", `gamma ${number(gamma, 2)}`);
      const { fromCut } = entropy;
      const stuck = fromCut - entropy.loss > 1e-6 ? ` (${fromCut.toFixed(4)} from the K-means cut)` : "";
      const warm = "followed from the last boundary (1 start)";
      const how = entropy.starts > 1 ? `best of ${entropy.starts} starts${stuck}` : warm;
      const right = frame
        ? `${Math.round(frame.turned)}° from the K-means cut, the best loss is ${frame.loss.toFixed(4)}`
        : `loss ${entropy.loss.toFixed(4)}, ${how}`;
      const text = `K-means: SSE ${cut.sse.toFixed(2)}, the global optimum, by enumeration. ` +
        `Entropy clustering at γ = ${number(gamma, 2)}: ${right}. ` +
        `They agree on ${agree} of ${n} points (${Math.round((100 * agree) / n)} %).`;
      this.put(".ts-caption", text);
      if (!frame || !this.running) this.say(text); // a moving line is not read out, only where it comes to rest
    }

    begin() {
      this.frames = turn(this.x, this.gamma, this.kmeans, this.entropy, 120);
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
