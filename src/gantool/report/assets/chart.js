// Curves over epochs, drawn by uPlot: hover, touch or arrow keys tell the values, the keys below hide curves.
"use strict";
(function () {
  var charts = [], dark = matchMedia("(prefers-color-scheme: dark)");
  function color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function text(value) { return value == null ? "–" : Number(value.toPrecision(4)).toString(); }

  function make(box) {
    var data = JSON.parse(box.querySelector("script").textContent), plot = box.querySelector(".plot");
    var at = box.querySelector(".at"), keys = Array.prototype.slice.call(box.querySelectorAll(".keys button"));
    var last = data.x.length - 1, chart = null;
    function tell(n) {
      var place = n == null ? last : n;
      at.textContent = n == null ? "last values" : "epoch " + data.x[place];
      keys.forEach(function (key, c) {
        // At rest every curve says its own last value, of whatever epoch that is.
        var known = data.y[c].filter(function (value) { return value != null; });
        key.querySelector("b").textContent = text(n == null ? known[known.length - 1] : data.y[c][place]);
      });
    }
    function draw() {
      var hidden = keys.map(function (key) { return key.getAttribute("aria-pressed") === "false"; });
      if (chart) chart.destroy();
      var axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
      chart = new uPlot({
        width: plot.clientWidth, height: plot.clientHeight, legend: { show: false }, padding: [18, 10, 0, 0],
        cursor: { sync: { key: "epochs" }, y: false, points: { size: 7 }, drag: { x: true, y: false } },
        scales: { x: { time: false }, y: { range: function (u, low, high) { return bounds(low, high, data.lines); } } },
        axes: [Object.assign({ size: 28, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 1e4, 1e5, 1e6] }, axis),
               Object.assign({ size: 52, values: function (u, splits) { return splits.map(function (v) { return v == null ? "" : text(v); }); } }, axis)],
        series: [{}].concat(data.y.map(function (curve, n) {
          return { label: data.names[n], stroke: color("--c" + data.colors[n] % 8), width: 2, show: !hidden[n], spanGaps: true,
                   dash: data.colors[n] < 8 ? undefined : [6, 4], points: { show: curve.filter(function (v) { return v != null; }).length < 3, size: 6 } };
        })),
        hooks: {
          setCursor: [function (u) { tell(u.cursor.idx); }],
          draw: [function (u) { lines(u, data); }]
        }
      }, [data.x].concat(data.y), plot);
      ["touchstart", "touchmove"].forEach(function (kind) {
        chart.over.addEventListener(kind, function (event) {
          chart.setCursor({ left: event.touches[0].clientX - chart.over.getBoundingClientRect().left, top: 10 });
        }, { passive: true });
      });
    }
    keys.forEach(function (key, n) {
      key.addEventListener("click", function () {
        var shown = key.getAttribute("aria-pressed") === "false";
        key.setAttribute("aria-pressed", String(shown));
        if (chart) chart.setSeries(n + 1, { show: shown });
      });
    });
    plot.addEventListener("keydown", function (event) {
      var step = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 }[event.key];
      if (!step) return;
      event.preventDefault();
      var from = chart.cursor.idx == null ? last : chart.cursor.idx, to = Math.min(Math.max(from + step, 0), last);
      chart.setCursor({ left: chart.valToPos(data.x[to], "x"), top: 10 });
    });
    tell(null); draw(); charts.push(draw);
    new ResizeObserver(function () { if (plot.clientWidth) chart.setSize({ width: plot.clientWidth, height: plot.clientHeight }); }).observe(plot);
  }

  function bounds(low, high, marks) {
    if (low == null) { low = 0; high = 1; }
    marks.forEach(function (mark) { low = Math.min(low, mark[1]); high = Math.max(high, mark[1]); });
    if (low === high) { low -= Math.abs(low) * .1 || .5; high += Math.abs(high) * .1 || .5; }
    var room = (high - low) * .06;
    return [low >= 0 && low - room < (high - low) * .25 ? Math.min(0, low) : low - room, high + room];
  }

  // Levels that curves are read against, and the epoch whose weights are delivered.
  function lines(u, data) {
    var g = u.ctx, box = u.bbox, ratio = devicePixelRatio || 1;
    g.save();
    g.lineWidth = ratio; g.strokeStyle = g.fillStyle = color("--muted"); g.font = 12 * ratio + "px system-ui, sans-serif";
    g.setLineDash([4 * ratio, 4 * ratio]);
    function stroke(x0, y0, x1, y1) { g.beginPath(); g.moveTo(x0, y0); g.lineTo(x1, y1); g.stroke(); }
    data.lines.forEach(function (mark) {
      var y = u.valToPos(mark[1], "y", true);
      stroke(box.left, y, box.left + box.width, y);
      g.textAlign = "right"; g.fillText(mark[0], box.left + box.width - 4 * ratio, y - 4 * ratio);
    });
    if (data.best != null) {
      var x = u.valToPos(data.best, "x", true), right = x < box.left + box.width / 2;
      stroke(x, box.top, x, box.top + box.height);
      g.textAlign = right ? "left" : "right";
      g.fillText("delivered", x + (right ? -3 : 3) * ratio, box.top - 5 * ratio);
    }
    g.restore();
  }

  document.addEventListener("DOMContentLoaded", function () {
    Array.prototype.forEach.call(document.querySelectorAll(".chart"), make);
    dark.addEventListener("change", function () { charts.forEach(function (draw) { draw(); }); });
  });
}());
