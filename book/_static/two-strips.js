/* <two-strips>: one data set, two objectives. K-means cuts two strips across; entropy clustering tells them apart.
 *
 * A classic script without dependencies, so that it also runs from file:// and with the network off. The first half
 * is pure mathematics, open to tests as `window.twoStrips`; the second half is the custom element.
 *
 * Loss (Zhang & Boykov, arXiv 2301.11405, the mutual-information loss with a norm penalty; k = 2, in nats):
 *   L(w, b) = mean_i H(sigma_i) + fairness KL(mean_i sigma_i || uniform) + gamma ||w||^2,  sigma_i = sigmoid(w.x_i + b)
 * where w is the difference of the two rows of logit weights, and the bias b is not penalised. Minimised.
 */
(function () {
  "use strict";

  // ------------------------------------------------------------------------------------------- mathematics

  /** Forty points in two strips: 20 at y = 1.5 moved right by `shear`, then 20 at y = -1.5 moved left by it. */
  function points(shear = 0) {
    const x = Array.from({ length: 20 }, (_, i) => -5 + (10 * i) / 19);
    return [...x.map((v) => [v + shear, 1.5]), ...x.map((v) => [v - shear, -1.5])];
  }

  /** The loss above and its gradient at theta = [w1, w2, b], stable for logits of any size (0 log 0 is 0). */
  function evaluate(x, theta, gamma, fairness = 1) {
    const [w1, w2, b] = theta, n = x.length;
    const logits = x.map((p) => w1 * p[0] + w2 * p[1] + b);
    let entropy = 0, p = 0, q = 0; // p and q = 1 - p are summed apart: neither loses its small digits
    for (const t of logits) {
      const a = Math.abs(t), e = Math.exp(-a), major = 1 / (1 + e), minor = e / (1 + e);
      entropy += (Math.log1p(e) + a * minor) / n;
      p += (t >= 0 ? major : minor) / n;
      q += (t >= 0 ? minor : major) / n;
    }
    const xlogx = (v) => (v > 0 ? v * Math.log(v) : 0);
    const loss = entropy + fairness * (Math.LN2 + xlogx(p) + xlogx(q)) + gamma * (w1 * w1 + w2 * w2);
    const gradient = [2 * gamma * w1, 2 * gamma * w2, 0];
    logits.forEach((t, i) => {
      const e = Math.exp(-Math.abs(t)), slope = e / ((1 + e) * (1 + e)); // d sigma / d t
      if (slope === 0) return; // its limit; p or q may be 0 here
      const d = (slope * (fairness * (Math.log(p) - Math.log(q)) - t)) / n;
      gradient[0] += d * x[i][0];
      gradient[1] += d * x[i][1];
      gradient[2] += d;
    });
    return { loss, gradient };
  }

  const dot = (u, v) => u.reduce((sum, value, i) => sum + value * v[i], 0);

  /** BFGS with a backtracking line search, for two or three variables; `f(z)` returns {loss, gradient}. */
  function minimise(f, start, { tolerance = 1e-9, maxSteps = 200 } = {}) {
    const identity = () => start.map((_, i) => start.map((_, j) => (i === j ? 1 : 0)));
    let z = start, at = f(z), inverse = identity();
    for (let step = 0; step < maxSteps && Math.hypot(...at.gradient) > tolerance; step++) {
      let direction = inverse.map((row) => -dot(row, at.gradient));
      let slope = dot(direction, at.gradient);
      if (!(slope < 0)) {
        inverse = identity();
        direction = at.gradient.map((g) => -g);
        slope = dot(direction, at.gradient);
      }
      let length = 1, next, there;
      do {
        next = z.map((v, i) => v + length * direction[i]);
        there = f(next);
      } while (!(there.loss <= at.loss + 1e-4 * length * slope) && (length /= 2) > 1e-12);
      if (!(there.loss < at.loss)) break; // no decrease left in double precision
      const s = next.map((v, i) => v - z[i]), y = there.gradient.map((g, i) => g - at.gradient[i]), sy = dot(s, y);
      if (sy > 1e-16) { // otherwise the curvature is negative: keep the old model
        const hy = inverse.map((row) => dot(row, y)), scale = 1 + dot(y, hy) / sy;
        inverse = inverse.map((row, i) => row.map(
          (v, j) => v + (scale * s[i] * s[j] - hy[i] * s[j] - s[i] * hy[j]) / sy));
      }
      z = next;
      at = there;
    }
    return { theta: z, loss: at.loss };
  }

  /** The same boundary, with the norm at which the root mean square of the logits is `spread`. */
  function rescale(x, theta, spread) {
    const square = x.reduce((sum, p) => sum + (theta[0] * p[0] + theta[1] * p[1] + theta[2]) ** 2, 0) / x.length;
    return theta.map((v) => (v * spread) / (Math.sqrt(square) || 1));
  }

  /** The boundary whose normal has this angle and which halves the points. */
  function halving(x, angle) {
    const c = Math.cos(angle), s = Math.sin(angle), t = x.map((p) => c * p[0] + s * p[1]).sort((u, v) => u - v);
    return [c, s, -(t[(t.length - 1) >> 1] + t[t.length >> 1]) / 2];
  }

  /** Entropy clustering by descent from 39 fixed starts (or from `warm` alone); the lowest loss wins.
   *
   * The starts: the K-means cut and 12 directions through the median, each at three norms. `fromCut` is the lowest
   * loss that the K-means cut leads to, so that a reader sees what a single start would have missed.
   */
  function fit(x, gamma, { fairness = 1, warm = null, cut = warm ? null : kmeans(x) } = {}) {
    const angles = Array.from({ length: 12 }, (_, i) => (i * Math.PI) / 12);
    const starts = warm ? [warm] : [[...cut.w, cut.b], ...angles.map((angle) => halving(x, angle))]
      .flatMap((line) => [1, 3, 9].map((spread) => rescale(x, line, spread)));
    const ends = starts.map((start) => minimise((theta) => evaluate(x, theta, gamma, fairness), start));
    const best = ends.reduce((a, b) => (b.loss < a.loss ? b : a));
    const fromCut = warm ? null : Math.min(...ends.slice(0, 3).map((end) => end.loss));
    return { w: best.theta.slice(0, 2), b: best.theta[2], loss: best.loss, starts: starts.length, fromCut };
  }

  /** The global optimum of K-means with k = 2, by enumeration.
   *
   * Its clusters are separated by a line, so sorted by some direction one cluster is a prefix. The order changes only
   * where a direction is perpendicular to a pair: n(n-1)/2 orders, each mended from the last by insertion sort.
   */
  function kmeans(x) {
    const n = x.length, mean = [0, 1].map((j) => x.reduce((sum, p) => sum + p[j], 0) / n);
    const centred = x.map((p) => [p[0] - mean[0], p[1] - mean[1]]);
    const angles = [];
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) {
      const angle = Math.atan2(x[i][1] - x[j][1], x[i][0] - x[j][0]) + Math.PI / 2;
      angles.push(((angle % Math.PI) + Math.PI) % Math.PI);
    }
    angles.sort((a, b) => a - b);
    const order = x.map((_, i) => i), key = new Float64Array(n);
    let best = { between: -1 };
    angles.forEach((angle, a) => {
      const middle = (angle + (a + 1 < angles.length ? angles[a + 1] : angles[0] + Math.PI)) / 2;
      const c = Math.cos(middle), s = Math.sin(middle);
      centred.forEach((p, i) => { key[i] = c * p[0] + s * p[1]; });
      for (let i = 1; i < n; i++) {
        const moved = order[i];
        let j = i;
        for (; j > 0 && key[order[j - 1]] > key[moved]; j--) order[j] = order[j - 1];
        order[j] = moved;
      }
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

  const VIEW = [7, 4.5], REACH = 24, SECONDS = 3.5, GAMMA = 0.01; // half the plane's size; pixels; seconds of the turn
  const MARKS = ["M-.18-.18h.36v.36h-.36z", "M-.2 0a.2.2 0 1 0 .4 0a.2.2 0 1 0-.4 0z"];
  const NAMES = ["B (square)", "A (circle)"];
  const TITLES = { kmeans: "K-means", entropy: "Entropy clustering" };
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const number = (v, digits) => String(Number(v.toPrecision(digits))).replace("-", "−");
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const flip = ({ w, b, ...rest }) => ({ ...rest, w: w.map((v) => -v), b: -b });
  const sides = (x, { w, b }) => x.map((p) => (w[0] * p[0] + w[1] * p[1] + b > 0 ? 1 : 0));
  const matches = (a, b) => a.filter((k, i) => k === b[i]).length;
  let made = 0;

  /** One panel. Its tint is the posterior: it depends on the logit alone, so it is a linear gradient along w. */
  const panel = (kind, id) => `
    <div class="ts-panel">
      <p class="ts-title"><strong>${TITLES[kind]}</strong> <span class="ts-value" data-value="${kind}"></span></p>
      <svg viewBox="${-VIEW[0]} ${-VIEW[1]} ${2 * VIEW[0]} ${2 * VIEW[1]}" role="application" data-panel="${kind}"
          aria-describedby="${id}-help">
        <linearGradient id="${id}-${kind}" gradientUnits="userSpaceOnUse">${Array.from({ length: 25 }, (_, i) => {
    const sure = Math.tanh(i / 4 - 3); // 2 sigmoid(t) - 1 at logits t from -6 to 6
    return `<stop offset="${i / 24}" class="ts-stop-${Number(sure > 0)}" stop-opacity="${0.38 * Math.abs(sure)}"/>`;
  }).join("")}</linearGradient>
        <g transform="scale(1 -1)">
          <rect x="-50%" y="-50%" width="100%" height="100%" fill="url(#${id}-${kind})"/>
          <line class="ts-ghost"/><line class="ts-halo"/><line class="ts-line"/>
          ${points().map((_, i) => `<g class="ts-point" role="button" data-index="${i}" tabindex="${i ? -1 : 0}"><circle
            class="ts-ring" r=".38"/><path/></g>`).join("")}
        </g>
      </svg>
    </div>`;

  const skeleton = (id) => `
    <div class="ts-stage">
      <div class="ts-panels">${panel("kmeans", id)}${panel("entropy", id)}</div>
      <p class="ts-legend"><span class="ts-key-1">cluster A</span><span class="ts-key-0">cluster B</span>
        <span class="ts-key-line">boundary</span><span class="ts-key-ghost">K-means’ boundary</span>
        <span class="ts-key-tint">confidence</span></p>
      <p class="ts-help" id="${id}-help">Drag a point. By keyboard: Tab to a point, arrow keys move it, Page Up and Page
        Down choose another.</p>
      <div class="ts-controls">
        <label>γ, the norm penalty <input type="range" min="-4" max="-1" step="0.05"><output></output></label>
        <button type="button" data-do="play">Play</button><button type="button" data-do="shear">Shear</button>
        <button type="button" data-do="reset">Reset</button>
      </div>
      <p class="ts-caption" aria-hidden="true"></p><p class="ts-hidden" aria-live="polite"></p>
    </div>`;

  class TwoStrips extends HTMLElement {
    connectedCallback() { // the parser must have read the element's own text before build() replaces it
      if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => this.build());
      else this.build();
    }

    disconnectedCallback() {
      cancelAnimationFrame(this.tick);
      clearTimeout(this.speech);
      this.watcher?.disconnect();
    }

    build() {
      if (this.hasAttribute("ready")) return;
      this.innerHTML = skeleton(`two-strips-${++made}`);
      this.setAttribute("ready", "");
      this.slider = this.querySelector("input");
      this.playButton = this.querySelector("[data-do=play]");
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
        if (this.frames && !this.running) this.toggle();
      }, { threshold: 0.3 });
      this.watcher.observe(this);
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
      if (!frame) this.paint("kmeans", { w: cut.w.map((v) => 100 * v), b: 100 * cut.b }, cut.labels); // steep: hard
      this.paint("entropy", shown, labels);
      const put = (selector, text) => { this.querySelector(selector).textContent = text; };
      put("output", number(gamma, 2));
      put("[data-value=kmeans]", `SSE ${cut.sse.toFixed(2)}`);
      put("[data-value=entropy]", `loss ${shown.loss.toFixed(4)}`);
      this.slider.setAttribute("aria-valuetext", `gamma ${number(gamma, 2)}`);
      const stuck = entropy.fromCut - entropy.loss > 1e-6 ? ` (${entropy.fromCut.toFixed(4)} from the K-means cut)` : "";
      const warm = "followed from the last boundary (1 start)";
      const how = entropy.starts > 1 ? `best of ${entropy.starts} starts${stuck}` : warm;
      const right = frame
        ? `${Math.round(frame.turned)}° from the K-means cut, the best loss is ${frame.loss.toFixed(4)}`
        : `loss ${entropy.loss.toFixed(4)}, ${how}`;
      const text = `K-means: SSE ${cut.sse.toFixed(2)}, the global optimum, by enumeration. ` +
        `Entropy clustering at γ = ${number(gamma, 2)}: ${right}. ` +
        `They agree on ${agree} of ${n} points (${Math.round((100 * agree) / n)} %).`;
      put(".ts-caption", text);
      if (frame && this.running) return; // a moving line is not read out, only where it comes to rest
      clearTimeout(this.speech);
      this.speech = setTimeout(() => put("[aria-live]", text), 600);
    }

    paint(kind, { w, b }, labels) {
      const svg = this.querySelector(`[data-panel=${kind}]`), set = (node, values) => { // what is equal costs nothing
        for (const [name, value] of Object.entries(values)) {
          if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
        }
      };
      const norm = Math.hypot(...w), flat = norm < 1e-6; // w = 0: no boundary, no tint
      const ends = ({ w: v, b: c }) => {
        const square = dot(v, v), [x, y] = v.map((value) => (-c * value) / square), k = 40 / Math.sqrt(square);
        return { x1: x - k * v[1], y1: y + k * v[0], x2: x + k * v[1], y2: y - k * v[0] };
      };
      svg.classList.toggle("ts-flat", flat);
      if (!flat) {
        const at = (logit, i) => ((logit - b) * w[i]) / (norm * norm);
        set(svg.querySelector("linearGradient"), { x1: at(-6, 0), y1: at(-6, 1), x2: at(6, 0), y2: at(6, 1) });
        svg.querySelectorAll(".ts-line, .ts-halo").forEach((line) => set(line, ends({ w, b })));
        if (kind === "entropy") set(svg.querySelector(".ts-ghost"), ends(this.kmeans));
      }
      const degrees = Math.round((Math.atan2(w[1], w[0]) * 180) / Math.PI + 450) % 180; // from the horizontal
      set(svg, { "aria-label": `${TITLES[kind]}: ${flat ? "no boundary" : `boundary at ${degrees} degrees`}, ` +
        `${sum(labels)} points in A, ${labels.length - sum(labels)} in B` });
      svg.querySelectorAll(".ts-point").forEach((node, i) => {
        const [x, y] = this.x[i];
        set(node, { transform: `translate(${x} ${y})`, "data-cluster": labels[i],
          "aria-label": `Point ${i + 1} at ${number(x, 2)}, ${number(y, 2)}, cluster ${NAMES[labels[i]]}` });
        set(node.lastElementChild, { d: MARKS[labels[i]] });
      });
    }

    move(i, x, y) {
      const hold = (v, limit) => Math.max(-limit, Math.min(limit, v));
      this.x[i] = [hold(x, VIEW[0] - 0.3), hold(y, VIEW[1] - 0.3)];
    }

    listen(svg) {
      const nodes = [...svg.querySelectorAll(".ts-point")];
      let dragged = null, pending = false;
      const place = (event) => { // from the screen to the plane
        const box = svg.getBoundingClientRect(), unit = (2 * VIEW[0]) / box.width;
        return [(event.clientX - box.left) * unit - VIEW[0], VIEW[1] - (event.clientY - box.top) * unit, REACH * unit];
      };
      const nearest = (event) => { // the target is the point nearest to the finger, so it may be larger than the mark
        const [x, y, reach] = place(event), far = this.x.map((p) => Math.hypot(p[0] - x, p[1] - y));
        const i = far.indexOf(Math.min(...far));
        return far[i] < reach ? i : null;
      };
      const choose = (i) => {
        nodes.forEach((node, j) => { node.tabIndex = i === j ? 0 : -1; });
        nodes[i].focus({ preventScroll: true });
      };
      svg.addEventListener("touchstart", (event) => { // elsewhere the page scrolls as ever
        if (nearest(event.touches[0]) !== null) event.preventDefault();
      }, { passive: false });
      svg.addEventListener("pointerdown", (event) => {
        if (!event.isPrimary || event.button) return;
        dragged = nearest(event);
        if (dragged === null) return;
        event.preventDefault();
        svg.setPointerCapture(event.pointerId);
        choose(dragged);
      });
      svg.addEventListener("pointermove", (event) => {
        if (dragged === null) return;
        this.move(dragged, ...place(event));
        if (pending) return;
        pending = true;
        requestAnimationFrame(() => { pending = false; if (dragged !== null) this.solve({ warm: true }); });
      });
      svg.addEventListener("lostpointercapture", () => { dragged = null; this.solve(); });
      svg.addEventListener("keydown", (event) => {
        const i = nodes.indexOf(document.activeElement), last = nodes.length - 1;
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
        const other = { PageUp: Math.max(i - 1, 0), PageDown: Math.min(i + 1, last), Home: 0, End: last }[event.key];
        if (i < 0 || (step ?? other) === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        if (other !== undefined) return choose(other);
        this.move(i, this.x[i][0] + step[0] / 4, this.x[i][1] + step[1] / 4);
        this.solve();
      });
    }

    prepare() {
      this.frames = turn(this.x, this.gamma, this.kmeans, this.entropy, 120);
      this.played = 0;
      this.draw(this.frames[0]);
    }

    /** Plays, pauses or resumes the turn from the K-means cut to the optimum; it ends by itself. */
    toggle() {
      if (!this.frames) this.prepare();
      this.running = !this.running;
      this.playButton.textContent = this.running ? "Pause" : "Resume";
      cancelAnimationFrame(this.tick);
      if (!this.running) return;
      let last = null;
      const advance = (now) => {
        this.played += last === null ? 0 : Math.min(now - last, 100) / 1000;
        last = now;
        const t = Math.max(0, this.played - 0.6) / SECONDS, eased = t * t * (3 - 2 * t); // rests 0.6 s on the cut
        if (t >= 1) { this.stop(); this.draw(); return; }
        this.draw(this.frames[Math.round(eased * (this.frames.length - 1))]);
        this.tick = requestAnimationFrame(advance);
      };
      this.tick = requestAnimationFrame(advance);
    }

    stop() {
      cancelAnimationFrame(this.tick);
      this.running = false;
      this.frames = null;
      this.playButton.textContent = "Play";
    }
  }

  customElements.define("two-strips", TwoStrips);
})();
