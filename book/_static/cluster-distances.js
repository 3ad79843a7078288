/* <cluster-distances>: GEMINI's distances while a cluster is moved, and while its predictions grow less sure.
 *
 * A classic script that needs plane.js before it, and nothing else. The first half is pure mathematics, open to tests
 * as `window.clusterDistances`; the second half is the custom element.
 *
 * Objectives (Ohl et al., arXiv 2210.06300; maximised):
 *   one-vs-all: sum_c pi_c D(p(x|c), p(x)),  one-vs-one: sum_ab pi_a pi_b D(p(x|a), p(x|b)),
 * where p(x_i|c) = p_ic / (n pi_c), with p_ic the prediction and pi_c its mean over the n samples.
 */
(function () {
  "use strict";

  const { still, number, set, Figure } = window.plane;

  // ------------------------------------------------------------------------------------------- mathematics

  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const column = (rows, c) => rows.map((row) => row[c]);

  /** ln sum exp, also of minus infinities. */
  function logSum(values) {
    const top = Math.max(...values);
    return top === -Infinity ? top : top + Math.log(sum(values.map((v) => Math.exp(v - top))));
  }

  // What one sample adds to an f-divergence's objective, which is the mean of it: from its prediction p, the shares pi,
  // and their logarithms l and m. Where a share is zero the cluster counts for nothing, and 0 log 0 is 0.
  const over = (pi, term) => sum(pi.map((share, c) => (share > 0 ? term(c) : 0)));
  const kl = (p, pi, l, m) => over(pi, (c) => (p[c] > 0 ? p[c] * (l[c] - m[c]) : 0));
  const hellinger = (p, pi, l, m) => over(pi, (c) => (Math.exp(l[c] / 2) - Math.exp(m[c] / 2)) ** 2 / 2);
  const chi2 = (p, pi, l, m) => over(pi, (c) => pi[c] * Math.expm1(l[c] - m[c]) ** 2);
  const DIVERGENCES = {
    kl_ova: kl,
    kl_ovo: (p, pi, l, m) => kl(p, pi, l, m) + over(pi, (c) => pi[c] * (m[c] - l[c])),
    tv_ova: (p, pi) => over(pi, (c) => Math.abs(p[c] - pi[c]) / 2),
    tv_ovo: (p, pi) => over(pi, (a) => over(pi, (b) => Math.abs(pi[b] * p[a] - pi[a] * p[b]) / 2)),
    hellinger_ova: hellinger,
    hellinger_ovo: (...row) => hellinger(...row) * (2 - hellinger(...row)),
    chi2_ova: chi2,
    chi2_ovo: (p, pi, l, m) => {
      const squares = chi2(p, pi, l, m);
      const inverses = over(pi, (c) => pi[c] * Math.expm1(l[c] - m[c]) ** 2 * Math.exp(m[c] - l[c]));
      return squares + inverses + squares * inverses;
    },
  };

  /** The cheapest way to carry the mass where it is positive to where it is negative: {cost, moves: [from, to, mass]}.
   *
   * Exact, by shortest augmenting paths: the sources (rows) are served one by one, each along paths that are shortest
   * in the reduced costs c_ij - u_i - v_j >= 0, which are zero where mass flows.
   */
  function transport(mass, cost) {
    const rows = [], columns = [], rest = 1e-15; // what is less than that is rounding
    mass.forEach((m, i) => { if (m > 0) rows.push(i); else if (m < 0) columns.push(i); });
    const room = columns.map((j) => -mass[j]), u = rows.map(() => 0), v = columns.map(() => 0);
    const flow = rows.map(() => columns.map(() => 0));
    rows.forEach((source, r) => {
      let left = mass[source];
      while (left > rest) {
        const near = rows.map(() => Infinity), far = columns.map(() => Infinity), done = columns.map(() => false);
        const via = [], back = []; // the row before a column, the column before a row
        const reach = (i, distance) => {
          near[i] = distance;
          columns.forEach((j, place) => {
            const there = distance + Math.max(0, cost[rows[i]][j] - u[i] - v[place]);
            if (there < far[place]) [far[place], via[place]] = [there, i];
          });
        };
        reach(r, 0);
        let end;
        for (;;) {
          end = -1;
          far.forEach((d, j) => { if (!done[j] && (end < 0 || d < far[end])) end = j; });
          if (end < 0) return; // no room: all that is left is rounding
          done[end] = true;
          if (room[end] > rest) break;
          rows.forEach((_, i) => {
            if (flow[i][end] > 0 && near[i] === Infinity) { back[i] = end; reach(i, far[end]); }
          });
        }
        near.forEach((d, i) => { if (d < Infinity) u[i] += far[end] - d; });
        far.forEach((d, j) => { if (done[j]) v[j] -= far[end] - d; });
        let amount = Math.min(left, room[end]);
        for (let j = end; via[j] !== r; j = back[via[j]]) amount = Math.min(amount, flow[via[j]][back[via[j]]]);
        for (let j = end; ; j = back[via[j]]) {
          flow[via[j]][j] += amount;
          if (via[j] === r) break;
          flow[via[j]][back[via[j]]] -= amount;
        }
        left -= amount;
        room[end] -= amount;
      }
    });
    const moves = rows.flatMap((i, r) => columns.map((j, place) => [i, j, flow[r][place]])).filter(([, , m]) => m > 0);
    return { cost: sum(moves.map(([i, j, m]) => m * cost[i][j])), moves };
  }

  const distances = (x) => x.map((p) => x.map((q) => Math.hypot(...p.map((v, j) => v - q[j]))));
  const gaussian = (cost, gamma) => cost.map((row) => row.map((d) => Math.exp(-gamma * d * d)));

  // Integral probability metrics, as norms of a difference of two measures: its mass on each sample.
  const METRICS = {
    mmd: ({ features, affinity }) => (mass) => {
      if (features) return Math.hypot(...features[0].map((_, j) => sum(mass.map((m, i) => m * features[i][j]))));
      return Math.sqrt(Math.max(0, sum(mass.map((m, i) => m * sum(mass.map((q, j) => q * affinity[i][j]))))));
    },
    wasserstein: ({ features, affinity }) => {
      const cost = affinity ?? distances(features);
      return (mass) => transport(mass, cost).cost;
    },
  };

  /** Predictions and shares, with their logarithms. */
  function predict(logits) {
    const l = logits.map((row) => { const all = logSum(row); return row.map((v) => v - all); });
    const m = l[0].map((_, c) => logSum(column(l, c)) - Math.log(l.length));
    return { l, m, p: l.map((row) => row.map(Math.exp)), pi: m.map(Math.exp) };
  }

  /** The two measures' difference, times their shares: cluster a against all, or against cluster b. */
  const against = ({ p, pi }, a, b) => p.map((row) => (b === undefined ? row[a] - pi[a]
    : pi[b] * row[a] - pi[a] * row[b]) / p.length);

  /** One of twelve objectives, as paperlib.losses.gemini: mmd and wasserstein need `features` or `affinity`. */
  function gemini(logits, objective, geometry = {}) {
    const at = predict(logits), divergence = DIVERGENCES[objective];
    if (divergence) return sum(at.p.map((p, i) => divergence(p, at.pi, at.l[i], at.m))) / logits.length;
    const [metric, kind] = objective.split("_"), norm = METRICS[metric](geometry);
    const clusters = [...at.pi.keys()].filter((c) => at.pi[c] > 0);
    if (kind === "ova") return sum(clusters.map((a) => norm(against(at, a))));
    return 2 * sum(clusters.flatMap((a) => clusters.filter((b) => b < a).map((b) => norm(against(at, a, b)))));
  }

  /** Logits of predictions that are between undecided (sure = 0) and hard (sure = 1). */
  const logits = (labels, k, sure) => labels.map((label) => Array.from({ length: k },
    (_, c) => Math.log((1 - sure) / k + (c === label ? sure : 0))));

  window.clusterDistances = { gemini, transport, distances, gaussian, logits };

  // ------------------------------------------------------------------------------------------- the element

  const FULL = 6; // where a bar is full if there is no ceiling
  const GAMMA = 0.5, SECONDS = 0.9; // of the Gaussian kernel; of a button's move
  const SHAPES = ["squares", "circles", "triangles"], MARKS = [
    ([x, y]) => `M${x - 0.17} ${y - 0.17}h.34v.34h-.34z`,
    ([x, y]) => `M${x - 0.19} ${y}a.19.19 0 1 0 .38 0a.19.19 0 1 0-.38 0z`,
    ([x, y]) => `M${x - 0.22} ${y - 0.15}h.44l-.22.4z`,
  ];
  const centred = (points) => points.map((p) => p.map((v, j) => v - sum(column(points, j)) / points.length));
  const GROUPS = [ // around the centre of each: so together the three means are one
    [[-1.2, 0.1], [-0.5, 0.7], [-0.3, -0.6], [0.2, 0.3], [0.5, -0.9], [0.6, 0.9], [1.1, -0.2], [-0.9, -0.7]],
    [[-0.5, 0.2], [-0.1, 0.6], [0.1, 0.05], [0.4, 0.5], [0.6, -0.1], [0.2, -0.5], [-0.3, -0.3], [-0.6, -0.5]],
    [[-1.5, -0.6], [-1.0, -0.2], [-0.7, -0.7], [-0.2, 0.2], [0.2, -0.2], [0.6, 0.5], [1.1, 0.2], [1.5, 0.8]],
  ].map(centred);
  const LABELS = GROUPS.flatMap((group, c) => group.map(() => c));
  const RADII = GROUPS.map((group) => Math.max(...group.map((p) => Math.hypot(...p))) + 0.35);
  const PLACES = {
    start: [[-2.6, -0.9], [2.4, -1.3], [0.5, 1.7]],
    together: [[0, 0], [0, 0], [0, 0]],
    apart: [[-4.4, -2.3], [4.8, -2.5], [0.3, 2.5]],
  };
  const ROWS = [
    ["kl", "KL<span>, mutual information</span>"], ["tv", "Total variation"], ["hellinger", "Hellinger, squared"],
    ["chi2", "χ²"], ["mmd", "MMD, linear kernel"], ["gaussian", "MMD, Gaussian kernel"], ["wasserstein", "Wasserstein"],
  ];
  const shown = (value) => (value === Infinity ? "∞" : Math.abs(value).toFixed(3));
  let made = 0;

  /** The seven values for points x. */
  function values(rows, kind, x) {
    const affinity = distances(x);
    const gram = gaussian(affinity, GAMMA);
    const geometry = { mmd: { features: x }, gaussian: { affinity: gram }, wasserstein: { affinity } };
    return Object.fromEntries(ROWS.map(([name]) => {
      const distance = name === "gaussian" ? "mmd" : name;
      return [name, gemini(rows, `${distance}_${kind}`, geometry[name])];
    }));
  }

  /** What no predictions with equal shares exceed. Hard ones attain it, under the Gaussian those of dense far groups. */
  function ceilings(kind) {
    const apart = LABELS.map((c) => LABELS.map((other) => Number(c === other))), hard = logits(LABELS, 3, 1);
    return Object.fromEntries(ROWS.map(([name]) => [name, ["mmd", "wasserstein"].includes(name) ? Infinity
      : gemini(hard, `${name === "gaussian" ? "mmd" : name}_${kind}`, { affinity: apart })]));
  }

  const row = ([name, title]) => `<tr data-row="${name}"><th scope="row">${title}<span class="cd-bar" aria-hidden="true"
    ><i></i><b></b></span></th><td data-value="${name}"></td><td class="cd-most"></td></tr>`;

  const body = (title, rows) => `<tbody><tr><th colspan="3" scope="rowgroup">${title}</th></tr>${
    rows.map(row).join("")}</tbody>`;

  const skeleton = (id, [a, b]) => `
    <div class="cd-stage">
      <div class="cd-top">
        <div>
          <svg class="pl-plane" viewBox="${-a} ${-b} ${2 * a} ${2 * b}" role="application"
              aria-describedby="${id}-help">
            <g transform="scale(1 -1)"><path class="cd-grid" d="${
    Array.from({ length: 2 * a - 1 }, (_, i) => `M${i + 1 - a} ${-b}v${2 * b}`).join("")}${
    Array.from({ length: 2 * b - 1 }, (_, i) => `M${-a} ${i + 1 - b}h${2 * a}`).join("")}"/>
              <path class="cd-plan"/>
              ${GROUPS.map((group, c) => `<g class="pl-point" role="button" aria-roledescription="movable cluster"
                data-index="${c}"
                data-cluster="${c}" tabindex="${c ? -1 : 0}"><circle class="pl-ring" r="${RADII[c]}"/><path
                d="${group.map(MARKS[c]).join("")}"/></g>`).join("")}
              <path class="cd-means-halo"/><path class="cd-means"/>
            </g>
          </svg>
          <p class="pl-legend"><span class="cd-key-means">linear MMD: distances of means</span><span
            class="cd-key-plan">Wasserstein: transport of the <b></b></span></p>
        </div>
        <table>
          <caption class="pl-hidden"></caption>
          <thead><tr><th scope="col">Distance</th><th scope="col">value</th><th scope="col">at most</th></tr></thead>
          ${body("see predictions alone", ROWS.slice(0, 4))}${body("see places, too", ROWS.slice(4))}
        </table>
      </div>
      <div class="pl-controls">
        <fieldset><legend class="pl-hidden">Compare</legend>${[["ova", "one-vs-all"], ["ovo", "one-vs-one"]].map(
    ([kind, title]) => `<label><input type="radio" name="${id}" value="${kind}">${title}</label>`).join("")}</fieldset>
        <label class="cd-sure">How sure <input type="range" min="0" max="100" step="1"
          aria-label="How sure: the probability of each point’s own cluster"><output></output></label>
        <div>${["together", "apart", "reset"].map((name) => `<button type="button"
          data-do="${name}">${name[0].toUpperCase()}${name.slice(1)}</button>`).join("")}</div>
      </div>
      <p class="cd-caption" aria-hidden="true"></p>
      <p class="pl-help" id="${id}-help">Drag a cluster by any of its points. By keyboard: Tab to a cluster, arrow keys
        move it, Page Up and Page Down choose another. A square of the grid is one unit wide. A bar is full at the
        ceiling, or at ${FULL} where there is none; its line is the value before. How sure: the probability of each
        point’s own cluster.</p>
      <p class="pl-hidden" aria-live="polite"></p>
    </div>`;

  class ClusterDistances extends Figure {
    half = [7, 4];

    build() {
      this.innerHTML = skeleton(`cluster-distances-${++made}`, this.half);
      this.plane = this.querySelector("svg");
      this.slider = this.querySelector("[type=range]");
      this.nodes = [...this.querySelectorAll(".pl-point")];
      this.plane.addEventListener("pointerdown", () => { this.fresh = true; }); // each drag is compared with its start
      this.plane.parentNode.addEventListener("focusin", ({ target }) => { // listening itself the plane would take focus
        this.chosen = this.nodes.indexOf(target);
        this.sketch();
      });
      this.slider.addEventListener("input", () => { this.compare("sure"); this.solve(); });
      this.querySelector("fieldset").addEventListener("change", () => { this.compare(null); this.solve(); });
      for (const button of this.querySelectorAll("button")) {
        const name = button.dataset.do;
        button.addEventListener("click", () => (name === "reset" ? this.reset() : this.glide(name)));
      }
      this.most = { ova: ceilings("ova"), ovo: ceilings("ovo") };
      this.chosen = 0;
      this.reset();
      this.listen(this.plane);
    }

    get points() {
      return GROUPS.flatMap((group, c) => group.map((p) => p.map((v, j) => v + this.x[c][j])));
    }

    reset() {
      cancelAnimationFrame(this.tick);
      this.x = PLACES.start;
      this.slider.value = 100;
      this.querySelector("[value=ova]").checked = true;
      this.compare(null);
      this.solve();
    }

    /** What follows is compared with the present, unless it only goes on with the same action. */
    compare(action) {
      if (action === null) this.before = null;
      else if (this.fresh || action !== this.action) this.before = this.now;
      this.action = action;
      this.fresh = false;
    }

    away(x, y) {
      const places = (c) => [this.x[c], ...this.points.filter((_, i) => LABELS[i] === c)];
      return this.x.map((_, c) => Math.min(...places(c).map((p) => Math.hypot(p[0] - x, p[1] - y))));
    }

    move(c, x, y) {
      this.compare(`move ${c}`);
      cancelAnimationFrame(this.tick);
      this.x = this.x.map((old, i) => (i !== c ? old : [x, y].map((v, j) => {
        const room = this.half[j] - 0.3, offsets = column(GROUPS[c], j);
        return Math.max(-room - Math.min(...offsets), Math.min(room - Math.max(...offsets), v));
      })));
    }

    /** Takes all clusters to named places, at once where less motion is asked for. */
    glide(name) {
      this.compare(name);
      cancelAnimationFrame(this.tick);
      const from = this.x, to = PLACES[name];
      let start = null;
      const advance = (now) => {
        start ??= now;
        const t = still.matches ? 1 : Math.min(1, (now - start) / (1000 * SECONDS)), eased = t * t * (3 - 2 * t);
        this.x = t < 1 ? from.map((p, c) => p.map((v, j) => v + eased * (to[c][j] - v))) : to;
        if (t < 1) this.tick = requestAnimationFrame(advance);
        this.solve({ warm: t < 1 });
      };
      advance(performance.now());
    }

    solve({ warm = false } = {}) {
      const sure = this.slider.value / 100;
      this.kind = this.querySelector(":checked").value;
      this.logits = logits(LABELS, 3, sure);
      this.now = values(this.logits, this.kind, this.points);
      this.draw();
      if (!warm) this.say(this.told()); // what moves is not read out, only where it comes to rest
    }

    draw() {
      const { now, before, kind, plane } = this, own = (1 + 2 * this.slider.value / 100) / 3;
      const most = this.most[kind], percent = Math.round(100 * own);
      for (const [name] of ROWS) {
        const line = this.querySelector(`[data-row=${name}]`), full = most[name] === Infinity ? FULL : most[name];
        const share = (value) => `${100 * Math.min(1, Math.abs(value) / full)}%`;
        this.put(`[data-value=${name}]`, shown(now[name]));
        line.querySelector(".cd-most").textContent = shown(most[name]);
        set(line.querySelector("i"), { style: `width:${share(now[name])}` });
        line.querySelector("b").hidden = !before;
        if (before) set(line.querySelector("b"), { style: `left:${share(before[name])}` });
      }
      this.querySelector("[data-row=kl] span").hidden = kind === "ovo"; // there it is mutual plus lautum information
      this.put("caption", `Distances, each cluster against ${kind === "ova" ? "all data" : "another"}`);
      this.put("output", `${percent} %`);
      this.slider.setAttribute("aria-valuetext", `${percent} percent`);
      this.put(".cd-caption", this.told());
      plane.style.setProperty("--cd-sure", this.slider.value / 100);
      set(plane, { "aria-label": `Three clusters of eight points; linear MMD ${shown(now.mmd)}, Wasserstein ${
        shown(now.wasserstein)}` });
      this.nodes.forEach((node, c) => set(node, { transform: `translate(${this.x[c].join(" ")})`,
        "aria-label": `The ${SHAPES[c]}, centre at ${this.x[c].map((v) => number(v, 2)).join(", ")}` }));
      this.sketch();
    }

    /** What the distances that look at places look at: the means, and the journeys of the chosen cluster's mass. */
    sketch() {
      const at = predict(this.logits), x = this.points, clusters = [0, 1, 2], { chosen } = this;
      const mean = (weights) => [0, 1].map((j) => sum(x.map((p, i) => weights[i] * p[j])) / sum(weights));
      const means = clusters.map((c) => mean(column(at.p, c))), all = mean(x.map(() => 1));
      const ova = this.kind === "ova";
      const lines = ova ? means.map((m) => [all, m]) : means.map((m, c) => [m, means[(c + 1) % 3]]);
      const d = lines.map(([from, to]) => `M${from.join(" ")}L${to.join(" ")}`).join("") +
        [...means, ...(ova ? [all] : [])].map(([u, v]) => `M${u - 0.09} ${v}h.18m-.09-.09v.18`).join("");
      this.plane.querySelectorAll(".cd-means, .cd-means-halo").forEach((path) => set(path, { d }));
      const others = ova ? [undefined] : clusters.filter((c) => c !== chosen), cost = distances(x);
      const moves = others.flatMap((b) => transport(against(at, chosen, b), cost).moves.filter(([, , m]) => m > 1e-6));
      this.querySelector(".cd-top").dataset.chosen = chosen;
      this.put(".cd-key-plan b", SHAPES[chosen]);
      const arcs = moves.map(([i, j]) => `M${x[i].join(" ")}L${x[j].join(" ")}`);
      set(this.plane.querySelector(".cd-plan"), { d: arcs.join("") });
    }

    /** What the numbers say. */
    told() {
      const { now, before, action, kind } = this, [kl, mmd, moved] = ["kl", "mmd", "wasserstein"].map((name) => ({
        now: shown(now[name]),
        change: !before || shown(now[name]) === shown(before[name]) ? `stays at ${shown(now[name])}`
          : `goes from ${shown(before[name])} to ${shown(now[name])}`,
      }));
      const name = kind === "ova" ? "Mutual information" : "One-vs-one KL";
      if (!before) return `${name} ${kl.now}, linear MMD ${mmd.now}, Wasserstein ${moved.now}. ` +
        "Which of them will move with a cluster, and which with the slider?";
      const first = action === "sure" ? `${name} follows the predictions: it ${kl.change}.`
        : `${name} does not move: ${kl.now} before and after.`;
      return `${first} Linear MMD ${mmd.change}, Wasserstein ${moved.change}.`;
    }
  }

  customElements.define("cluster-distances", ClusterDistances);
})();
