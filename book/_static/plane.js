/* What the live figures of this book share: the two-class loss and its descent, and a plane of points one can move.
 *
 * A classic script without dependencies, so that it also runs from file:// and with the network off. It stands before
 * the figure's own script, and defines `window.plane`: first pure mathematics, then the element they all extend.
 *
 * Loss (Zhang & Boykov, arXiv 2301.11405, the mutual-information loss with a norm penalty; k = 2, in nats):
 *   L(w, b) = mean_i H(sigma_i) + fairness KL(mean_i sigma_i || uniform) + gamma ||w||^2,  sigma_i = sigmoid(w.x_i + b)
 * where w is the difference of the two rows of logit weights, and the bias b is not penalised. Minimised.
 */
(function () {
  "use strict";

  // ------------------------------------------------------------------------------------------- mathematics

  const dot = (u, v) => u.reduce((sum, value, i) => sum + value * v[i], 0);

  /** The loss above and its gradient at theta = [w1, w2, b]; losses of 1e-300 keep their digits (0 log 0 is 0). */
  function evaluate(x, theta, gamma, fairness = 1) {
    const [w1, w2, b] = theta, n = x.length;
    let entropy = 0, count = 0, moved = 0; // class 1 has `count - moved` points: whole ones first, then tiny shares
    for (const p of x) {
      const t = w1 * p[0] + w2 * p[1] + b, a = Math.abs(t), e = Math.exp(-a), minor = e / (1 + e);
      entropy += Math.log1p(e) + a * minor;
      count += t > 0 ? 1 : 0;
      moved += t > 0 ? minor : -minor;
    }
    const p = Math.max((count - moved) / n, Number.MIN_VALUE), q = Math.max((n - count + moved) / n, Number.MIN_VALUE);
    const tilt = (2 * count - n - 2 * moved) / n, even = Math.abs(tilt) < 0.5; // p - q
    const halfOdds = even ? Math.atanh(tilt) : (Math.log(p) - Math.log(q)) / 2;
    const divergence = even ? tilt * halfOdds + Math.log1p(-tilt * tilt) / 2
      : Math.LN2 + p * Math.log(p) + q * Math.log(q);
    const gradient = [2 * gamma * w1, 2 * gamma * w2, 0];
    for (const p of x) {
      const t = w1 * p[0] + w2 * p[1] + b, e = Math.exp(-Math.abs(t)), slope = e / ((1 + e) * (1 + e)); // d sigma / d t
      const d = (slope * (2 * fairness * halfOdds - t)) / n;
      gradient[0] += d * p[0];
      gradient[1] += d * p[1];
      gradient[2] += d;
    }
    return { loss: entropy / n + fairness * divergence + gamma * (w1 * w1 + w2 * w2), gradient };
  }

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

  /** Twelve boundaries, one every 15 degrees, with a share of the points on one side, as starts of a descent. */
  function halvings(x, share = 1 / 2) {
    const rank = share * x.length;
    return Array.from({ length: 12 }, (_, i) => {
      const c = Math.cos((i * Math.PI) / 12), s = Math.sin((i * Math.PI) / 12);
      const t = x.map((p) => c * p[0] + s * p[1]).sort((u, v) => u - v);
      return [c, s, -(t[Math.ceil(rank) - 1] + t[Math.floor(rank)]) / 2];
    });
  }

  /** Calls `visit(order, key)` with every order of the points along a direction, and the places along it.
   *
   * The order changes only where a direction is perpendicular to a pair: n(n-1)/2 orders, each mended from the last
   * by insertion sort. Each split of the points by a line is a prefix of one of them.
   */
  function sweep(x, visit) {
    const angles = [];
    x.forEach((p, i) => x.slice(0, i).forEach((q) => {
      const angle = Math.atan2(p[1] - q[1], p[0] - q[0]) + Math.PI / 2;
      angles.push(((angle % Math.PI) + Math.PI) % Math.PI);
    }));
    angles.sort((a, b) => a - b);
    const order = x.map((_, i) => i), key = new Float64Array(x.length);
    angles.forEach((angle, a) => {
      const middle = (angle + (a + 1 < angles.length ? angles[a + 1] : angles[0] + Math.PI)) / 2;
      const c = Math.cos(middle), s = Math.sin(middle);
      x.forEach((p, i) => { key[i] = c * p[0] + s * p[1]; });
      for (let i = 1; i < x.length; i++) {
        const moved = order[i];
        let j = i;
        for (; j > 0 && key[order[j - 1]] > key[moved]; j--) order[j] = order[j - 1];
        order[j] = moved;
      }
      visit(order, key);
    });
  }

  // ------------------------------------------------------------------------------------------- the plane

  const REACH = 24; // pixels from a point within which a finger takes it
  const MARKS = ["M-.18-.18h.36v.36h-.36z", "M-.2 0a.2.2 0 1 0 .4 0a.2.2 0 1 0-.4 0z"];
  const NAMES = ["B (square)", "A (circle)"];
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const number = (v, digits) => String(Number(v.toPrecision(digits))).replace("-", "−");
  const flip = ({ w, b, ...rest }) => ({ ...rest, w: w.map((v) => -v), b: -b });
  const sides = (x, { w, b }) => x.map((p) => (w[0] * p[0] + w[1] * p[1] + b > 0 ? 1 : 0));

  /** Sets attributes; what is equal costs nothing. */
  function set(node, values) {
    for (const [name, value] of Object.entries(values)) {
      if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
    }
  }

  /** The ends, far outside the picture, of the line w.x + b = logit. */
  function ends({ w, b }, logit = 0) {
    const square = dot(w, w), [x, y] = w.map((v) => ((logit - b) * v) / square), k = 40 / Math.sqrt(square);
    return { x1: x - k * w[1], y1: y + k * w[0], x2: x + k * w[1], y2: y - k * w[0] };
  }

  /** An SVG of `count` points and a boundary; y points upwards. `under` lies between its tint and the boundary.
   *
   * The tint is the posterior: it depends on the logit alone, so it is a linear gradient along w.
   */
  const picture = ({ id, name, half: [a, b], count, under }) => `
    <svg class="pl-plane" viewBox="${-a} ${-b} ${2 * a} ${2 * b}" role="application" data-panel="${name}"
        aria-describedby="${id}-help">
      <linearGradient id="${id}-${name}" gradientUnits="userSpaceOnUse">${Array.from({ length: 25 }, (_, i) => {
    const sure = Math.tanh(i / 4 - 3); // 2 sigmoid(t) - 1 at logits t from -6 to 6
    return `<stop offset="${i / 24}" class="pl-stop-${Number(sure > 0)}" stop-opacity="${0.38 * Math.abs(sure)}"/>`;
  }).join("")}</linearGradient>
      <g transform="scale(1 -1)">
        <rect class="pl-tint" x="-50%" y="-50%" width="100%" height="100%" fill="url(#${id}-${name})"/>
        ${under}<line class="pl-halo"/><line class="pl-line"/>
        ${Array.from({ length: count }, (_, i) => `<g class="pl-point" role="button" aria-roledescription="movable point"
          data-index="${i}" tabindex="${i ? -1 : 0}"><circle class="pl-ring" r=".38"/><path/></g>`).join("")}
      </g>
    </svg>`;

  /** A figure of points `x` in planes of half-size `half`. It is for the heir to say how to:
   *
   * `build()` itself, once; `solve({ warm })` for the present points, `warm` while one is dragged; `draw()` the
   * solution; `begin()` a play, of which `frame(seconds)` draws a moment and returns false at its end.
   */
  class Figure extends HTMLElement {
    connectedCallback() { // the parser must have read the element's own text before build() replaces it
      const start = () => {
        if (this.hasAttribute("ready")) return;
        this.setAttribute("ready", "");
        this.build();
      };
      if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
      else start();
    }

    disconnectedCallback() {
      cancelAnimationFrame(this.tick);
      clearTimeout(this.speech);
    }

    put(selector, text) {
      this.querySelector(selector).textContent = text;
    }

    /** Reads a text out once it has come to rest. */
    say(text) {
      clearTimeout(this.speech);
      this.speech = setTimeout(() => this.put("[aria-live]", text), 600);
    }

    paint(svg, title, { w, b }, labels) {
      const norm = Math.hypot(...w), flat = norm < 1e-6; // w = 0: no boundary, no tint
      svg.classList.toggle("pl-flat", flat);
      if (!flat) {
        const at = (logit, i) => ((logit - b) * w[i]) / (norm * norm);
        set(svg.querySelector("linearGradient"), { x1: at(-6, 0), y1: at(-6, 1), x2: at(6, 0), y2: at(6, 1) });
        svg.querySelectorAll(".pl-line, .pl-halo").forEach((line) => set(line, ends({ w, b })));
      }
      const degrees = Math.round((Math.atan2(w[1], w[0]) * 180) / Math.PI + 450) % 180; // from the horizontal
      const first = labels.filter((k) => k === 1).length;
      set(svg, { "aria-label": `${title}: ${flat ? "no boundary" : `boundary at ${degrees} degrees`}, ` +
        `${first} points in A, ${labels.length - first} in B` });
      svg.querySelectorAll(".pl-point").forEach((node, i) => {
        const [x, y] = this.x[i];
        set(node, { transform: `translate(${x} ${y})`, "data-cluster": labels[i],
          "aria-label": `Point ${i + 1} at ${number(x, 2)}, ${number(y, 2)}, cluster ${NAMES[labels[i]]}` });
        set(node.lastElementChild, { d: MARKS[labels[i]] });
      });
    }

    move(i, x, y) {
      this.x[i] = [x, y].map((v, j) => Math.max(0.3 - this.half[j], Math.min(this.half[j] - 0.3, v)));
    }

    /** How far each of what can be moved is from a place. */
    away(x, y) {
      return this.x.map((p) => Math.hypot(p[0] - x, p[1] - y));
    }

    /** Lets points be moved, by mouse, finger, pen and keyboard. */
    listen(svg) {
      const nodes = [...svg.querySelectorAll(".pl-point")];
      let dragged = null, grip = null, pending = false;
      const place = (event) => { // from the screen to the plane
        const box = svg.getBoundingClientRect(), [a, b] = this.half, unit = (2 * a) / box.width;
        return [(event.clientX - box.left) * unit - a, b - (event.clientY - box.top) * unit, REACH * unit];
      };
      const nearest = (event) => { // the target is what is nearest to the finger, so it may be larger than the mark
        const [x, y, reach] = place(event), far = this.away(x, y), i = far.indexOf(Math.min(...far));
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
        grip = place(event).slice(0, 2).map((v, j) => this.x[dragged][j] - v);
        svg.setPointerCapture(event.pointerId);
        choose(dragged);
      });
      svg.addEventListener("pointermove", (event) => {
        if (dragged === null) return;
        this.move(dragged, ...grip.map((v, j) => v + place(event)[j]));
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
      this.played = 0;
      this.begin();
    }

    /** Plays, pauses or resumes. */
    toggle() {
      if (this.played === null) this.prepare();
      this.running = !this.running;
      clearTimeout(this.speech); // what moves is not read out
      this.put("[data-do=play]", this.running ? "Pause" : "Resume");
      cancelAnimationFrame(this.tick);
      if (!this.running) return;
      let last = null;
      const advance = (now) => {
        this.played += last === null ? 0 : Math.min(now - last, 100) / 1000;
        last = now;
        if (this.frame(this.played)) this.tick = requestAnimationFrame(advance);
        else { this.stop(); this.draw(); }
      };
      this.tick = requestAnimationFrame(advance);
    }

    stop() {
      cancelAnimationFrame(this.tick);
      this.running = false;
      this.played = null;
      this.put("[data-do=play]", "Play");
    }
  }

  window.plane = { dot, evaluate, minimise, rescale, halvings, sweep };
  Object.assign(window.plane, { still, number, flip, sides, set, ends, picture, Figure });
})();
