"use strict";
// Draws the charts of #data. Colours come from the page's style sheet, so that light and dark are told in one place.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const plots = [];
  let zooming = false;

  const hasMark = (trace) => (trace.bad_x || []).length > 0;

  function traces(chart) {
    const numNamed = chart.traces.filter((trace) => trace.look !== "faint").length;
    const lines = chart.traces.map((trace) => {
      const look = trace.look || "line";
      const slot = color(look === "dashed" ? "dim" : `c${trace.slot || 0}`);
      const few = trace.x.length < 40;
      return {
        type: "scatter", name: trace.name, x: trace.x, y: trace.y, connectgaps: false,
        mode: look === "points" || (few && look === "line") ? "lines+markers" : "lines",
        opacity: look === "faint" ? 0.3 : 1,
        line: { color: slot, width: look === "faint" ? 1 : 2, dash: look === "dashed" ? "dash" : "solid" },
        marker: { color: slot, size: 6 },
        hoverinfo: look === "faint" ? "skip" : "all",
        showlegend: look !== "faint" && numNamed > 1,
      };
    });
    const bad = chart.traces.filter(hasMark).map((trace) => ({
      type: "scatter", name: `${trace.name}: not finite`, x: trace.bad_x, y: trace.bad_x.map(() => 0.03), yaxis: "y2",
      mode: "markers", marker: { symbol: "x", size: 8, color: color("bad") }, showlegend: true,
      hovertemplate: `not finite<extra></extra>`,
    }));
    return lines.concat(bad);
  }

  function layout(chart, isLog) {
    const axis = { gridcolor: color("grid"), linecolor: color("line"), tickcolor: color("line"), zeroline: false, automargin: true };
    const seam = (x, name) => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: color("dim"), width: 1, dash: "dot" }, name });
    const note = (x, text, ink) => ({ x, yref: "paper", y: 1, yanchor: "bottom", showarrow: false, text, font: { size: 10.5, color: color(ink) } });
    const seams = chart.seams || [];
    const values = chart.traces.flatMap((trace) => trace.y.filter((y) => y !== null));
    const highest = values.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
    const isFlat = values.every((y) => y === values[0]); // plotly would show a level line as ±1 around it
    const hasBest = chart.best_x !== undefined && chart.best_x !== null;
    return {
      margin: { l: 52, r: 14, t: 18, b: 36 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("soft") },
      hovermode: "x unified", hoverlabel: { bgcolor: color("card"), bordercolor: color("line"), font: { color: color("ink") } },
      legend: { orientation: "h", x: 0, y: -0.22, yanchor: "top", font: { size: 12 } },
      xaxis: { ...axis, title: { text: chart.x_title || "step", font: { size: 11 }, standoff: 4 }, tickformat: chart.x_title ? "" : "~s", hoverformat: chart.x_title ? ".1f" : ",d" },
      yaxis: {
        ...axis, type: isLog ? "log" : "linear", exponentformat: "e", hoverformat: ".4~g",
        ...((chart.unit || isFlat) && !isLog ? { rangemode: "tozero" } : {}),
        ...(highest >= 1e4 && !isLog ? { tickformat: ".3~s" } : {}),
        ...(chart.unit === "bytes" ? { tickformat: ".3~s", ticksuffix: "B", hoverformat: ".4~s" } : {}),
        ...(isLog ? { dtick: "" } : {}),
      },
      yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
      shapes: [...seams.map((x) => seam(x)), ...(hasBest ? [{ ...seam(chart.best_x), line: { color: color("good"), width: 1 } }] : [])],
      annotations: [...seams.map((x) => note(x, "resumed", "dim")), ...(hasBest ? [note(chart.best_x, "best", "good")] : [])],
    };
  }

  const config = { responsive: true, displayModeBar: false, doubleClick: "reset" };

  // A range chosen in one chart over steps is taken by all of them.
  function shareZoom(from, change) {
    if (zooming || from.chart.x_title) return;
    const range = change["xaxis.range[0]"] !== undefined ? [change["xaxis.range[0]"], change["xaxis.range[1]"]] : null;
    if (!range && !change["xaxis.autorange"]) return;
    zooming = true;
    const others = plots.filter((plot) => plot !== from && !plot.chart.x_title);
    Promise.all(others.map((plot) => Plotly.relayout(plot.place, range ? { "xaxis.range": range } : { "xaxis.autorange": true })))
      .finally(() => { zooming = false; });
  }

  function button(name, help, act) {
    const made = document.createElement("button");
    made.textContent = name;
    made.title = help;
    made.onclick = act;
    return made;
  }

  function add(chart) {
    const card = document.createElement("div");
    card.className = "chart";
    const title = document.createElement("h2");
    title.innerHTML = chart.title; // escaped when the page was written
    const place = document.createElement("div");
    place.className = "plot";
    place.title = "drag to zoom, double click to see all";
    card.append(title, place);
    const plot = { chart, place, isLog: false };
    const tools = document.createElement("div");
    tools.className = "tools";
    if (chart.can_log) {
      const log = button("log", "logarithmic axis", () => {
        plot.isLog = !plot.isLog;
        log.setAttribute("aria-pressed", String(plot.isLog));
        draw(plot);
      });
      tools.append(log);
    }
    tools.append(button("png", "save as a picture", () => Plotly.downloadImage(place, { format: "png", scale: 2, filename: title.textContent })));
    card.append(tools);
    document.getElementById("charts").append(card);
    plots.push(plot);
  }

  const draw = (plot) => Plotly.react(plot.place, traces(plot.chart), layout(plot.chart, plot.isLog), config);

  function drawConfusion() {
    const place = document.getElementById("confusion");
    const found = data.confusion;
    if (!place || !found) return;
    const size = found.labels.length;
    const cell = Math.max(12, Math.min(56, 720 / size));
    place.style.height = `${size * cell + 150}px`;
    place.style.maxWidth = `${size * cell * 1.8 + 360}px`;
    Plotly.react(place, [{
      type: "heatmap", x: found.labels, y: found.labels, z: found.shares, zmin: 0, zmax: 1, xgap: 1, ygap: 1,
      text: found.counts, texttemplate: size <= 20 ? "%{text}" : "", colorscale: [[0, color("heat0")], [1, color("heat1")]],
      colorbar: { title: { text: "share of<br>true label", font: { size: 11 } }, outlinewidth: 0, thickness: 10, tickformat: ".0%" },
      hovertemplate: "true %{y}<br>predicted %{x}<br>%{text} (%{z:.1%})<extra></extra>",
    }], {
      margin: { l: 60, r: 20, t: 10, b: 60 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: size > 30 ? 9 : 12, color: color("soft") },
      xaxis: { type: "category", title: { text: "predicted" }, automargin: true, showgrid: false, tickangle: size > 6 ? -45 : 0, dtick: 1 },
      yaxis: { type: "category", title: { text: "true" }, automargin: true, autorange: "reversed", showgrid: false, dtick: 1 },
    }, config);
  }

  data.charts.forEach(add); // all cards first: a chart takes the width that its card then has
  plots.forEach((plot) => draw(plot).then(() => plot.place.on("plotly_relayout", (change) => shareZoom(plot, change))));
  drawConfusion();
  dark.addEventListener("change", () => { plots.forEach(draw); drawConfusion(); });
})();
