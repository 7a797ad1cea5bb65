// What a page of gantool can do beside being read. Without it everything is there, only side by side.
"use strict";
(function () {
  var all = function (box, what) { return Array.prototype.slice.call(box.querySelectorAll(what)); };
  var kept = "gantool:" + location.pathname;

  // A divider between two pictures; an epoch of samples; the right-hand picture; a normalization.
  function moved(input) {
    var frame = input.closest(".frame"), box = input.closest(".epochs");
    if (frame) frame.style.setProperty("--at", input.value + "%");
    else if (box) all(box, "figure").forEach(function (figure, n) {
      figure.classList.toggle("older", n !== Number(input.value));
      if (n !== Number(input.value)) return;
      box.querySelector("output").textContent = figure.dataset.epoch;
      input.setAttribute("aria-valuetext", "epoch " + figure.dataset.epoch);
    });
  }
  function chosen(input) {
    var compare = input.closest(".compare"), matrix = input.closest(".matrix");
    if (compare) all(compare, ".after").forEach(function (image, n) { image.classList.toggle("off", n !== Number(input.value)); });
    else if (matrix) normalize(matrix, input.value);
  }
  function normalize(matrix, by) {
    var rows = all(matrix, "tbody tr").map(function (row) {
      return all(row, "td").map(function (cell) { return Number(cell.dataset.n); });
    });
    var sum = function (values) { return values.reduce(function (a, b) { return a + b; }, 0) || 1; };
    var columns = rows[0].map(function (_, n) { return sum(rows.map(function (row) { return row[n]; })); });
    var most = Math.max.apply(null, rows.map(function (row) { return Math.max.apply(null, row); })) || 1;
    all(matrix, "tbody tr").forEach(function (row, r) {
      all(row, "td").forEach(function (cell, c) {
        var count = rows[r][c], share = by === "count" ? count / most : count / (by === "truth" ? sum(rows[r]) : columns[c]);
        cell.style.setProperty("--v", share.toFixed(3));
        cell.textContent = by === "count" ? brief(count) : (100 * share).toFixed(share && share < .1 ? 1 : 0);
      });
    });
  }
  function brief(count) {
    if (count < 1000) return String(count);
    var large = count >= 999500, value = count / (large ? 1e6 : 1e3);
    return value.toFixed(value < 9.95 ? 1 : 0) + (large ? " M" : " k");
  }
  document.addEventListener("input", function (event) {
    if (event.target.type === "range") moved(event.target);
    if (event.target.type === "radio") chosen(event.target);
  });

  // Copying a command; pages of the file system have no clipboard everywhere.
  document.addEventListener("click", function (event) {
    var button = event.target.closest(".copy");
    if (!button) return;
    var code = button.parentNode.querySelector("code"), said = document.querySelector("#said");
    var done = function () {
      button.textContent = "Copied"; if (said) said.textContent = "Copied";
      setTimeout(function () { button.textContent = "Copy"; if (said) said.textContent = ""; }, 1500);
    };
    var by_hand = function () {
      var range = document.createRange(), selection = getSelection();
      range.selectNodeContents(code); selection.removeAllRanges(); selection.addRange(range);
      if (document.execCommand("copy")) done();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(done, by_hand); else by_hand();
  });

  // A running training writes the page anew; what the reader has moved, opened and scrolled to stays.
  function state() {
    return {
      scroll: scrollY,
      inputs: all(document, "input").map(function (one) { return one.type === "range" ? one.value : one.checked; }),
      details: all(document, "details").map(function (one) { return one.open; }),
      hidden: all(document, ".keys button[aria-pressed='false']").map(function (one) { return one.dataset.key; }),
      paused: document.body.classList.contains("paused"),
      ranges: all(document, "input[type=range]").map(function (one) { return one.value === one.max; })
    };
  }
  function restore(old) {
    var inputs = all(document, "input"), last = 0;
    if (old.inputs.length === inputs.length) inputs.forEach(function (one, n) {
      if (one.type === "radio") { if (old.inputs[n]) { one.checked = true; chosen(one); } return; }
      // Who was at the newest epoch stays at the newest one.
      one.value = one.closest(".epochs") && old.ranges[last] ? one.max : old.inputs[n];
      last += 1; moved(one);
    });
    var details = all(document, "details");
    if (old.details.length === details.length) details.forEach(function (one, n) { one.open = old.details[n]; });
    all(document, ".keys button").forEach(function (one) { if (old.hidden.indexOf(one.dataset.key) >= 0) one.click(); });
    if (old.paused && pause) toggle();
    scrollTo(0, old.scroll);
  }
  var store = { get: function () { try { return JSON.parse(sessionStorage.getItem(kept)); } catch (error) { return null; } },
                put: function () { try { sessionStorage.setItem(kept, JSON.stringify(state())); } catch (error) { /* private */ } } };
  var live = document.querySelector("[data-every]"), pause = document.querySelector(".pause");
  function toggle() {
    var paused = document.body.classList.toggle("paused");
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on refreshing" : "Pause refreshing";
  }
  // Only what can be scrolled is a stop for the keyboard.
  function stops() {
    all(document, ".scroll").forEach(function (box) { box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1; });
  }
  addEventListener("resize", stops);
  document.addEventListener("toggle", stops, true);
  document.addEventListener("DOMContentLoaded", function () {
    stops();
    all(document, "input[type=range]").forEach(moved);
    var old = store.get();
    if (live && old) restore(old);
    if (!live) return;
    if (pause) pause.addEventListener("click", toggle);
    var touched = 0;
    ["pointerdown", "keydown"].forEach(function (kind) { addEventListener(kind, function () { touched = Date.now(); }); });
    addEventListener("pagehide", store.put);
    setInterval(function () {
      if (Date.now() - Number(live.dataset.written) > 1000 * Number(live.dataset.silent)) {
        document.querySelector(".silent").hidden = false; // nobody writes it any more
        return;
      }
      if (document.body.classList.contains("paused") || document.hidden || Date.now() - touched < 3000) return;
      store.put();
      location.reload();
    }, 1000 * Number(live.dataset.every));
  });
}());
