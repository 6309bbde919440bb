// Draws every chart of the page from the JSON beside its canvas, in the colours of the light or dark scheme in force.
// A drawn canvas says so (data-drawn: how many points, bars or lines it shows; data-values: the numbers along its y axis), and the document
// counts them (data-charts="7/7").
(() => {
  "use strict";
  const root = document.documentElement;

  const readTheme = () => {
    const style = getComputedStyle(root);
    const value = (name) => style.getPropertyValue(name).trim();
    return {
      text: value("--text"), quiet: value("--quiet"), line: value("--line"), panel: value("--panel"),
      stage: (index) => value(`--c${index}`),
    };
  };

  const faint = (colour, share) => `${colour}${Math.round(share * 255).toString(16).padStart(2, "0")}`;

  const axis = (theme, title, more = {}) => ({
    type: "linear",
    title: { display: Boolean(title), text: title, color: theme.quiet },
    ticks: { color: theme.quiet, maxRotation: 0, includeBounds: false },
    grid: { color: theme.line, borderColor: theme.line },
    ...more,
  });

  const options = (theme, x, y, more = {}) => ({
    animation: false,
    maintainAspectRatio: false,
    scales: { x, y },
    ...more,
    plugins: {
      legend: { display: false },
      ...more.plugins,
    },
  });

  const legend = (theme, filter = () => true) => ({
    display: true, position: "bottom", labels: { color: theme.text, boxWidth: 12, boxHeight: 2, filter },
  });

  const line = (theme, series) => ({
    label: series.label,
    data: series.points.map(([x, y]) => ({ x, y })),
    borderColor: theme.stage(series.colour),
    backgroundColor: theme.stage(series.colour),
    borderWidth: series.points.length > 200 ? 1.25 : 1.75,
    pointRadius: series.points.length > 1 ? 0 : 3.5,  // one point makes no line
    pointHitRadius: 6,
  });

  const histogram = (data, theme) => {
    const width = (data.high - data.low) / data.share.length;
    const bins = (shares) => shares.map((y, i) => ({ x: data.low + (i + 0.5) * width, y }));
    const colour = theme.stage(data.colour);
    const datasets = [{
      type: "bar", label: data.label, data: bins(data.share), backgroundColor: faint(colour, 0.75), barPercentage: 1, categoryPercentage: 0.94,
      order: 2, grouped: false,
    }];
    if (data.reference) {
      const outline = bins(data.reference.share);
      const edges = [{ x: data.low, y: outline[0].y }, ...outline, { x: data.high, y: outline[outline.length - 1].y }];
      datasets.push({
        type: "line", label: `outline: ${data.reference.label}`, data: edges, stepped: "middle", borderColor: theme.quiet, pointHitRadius: 0,
        borderWidth: 1.25, pointRadius: 0, order: 1,
      });
    }
    const bin = (item) => `${(item.parsed.x - width / 2).toPrecision(3)} to ${(item.parsed.x + width / 2).toPrecision(3)}`;
    return {
      data: { datasets },
      options: options(theme,
        axis(theme, "reward", { min: data.low, max: data.high, offset: false, grid: { display: false, borderColor: theme.line } }),
        axis(theme, "", { min: 0, suggestedMax: data.top, ticks: { color: theme.quiet, maxTicksLimit: 5, callback: (v) => `${v} %` } }),
        { layout: { padding: { bottom: data.reference ? 0 : 32 } }, plugins: {  // as tall as one with a legend
          legend: data.reference ? legend(theme, (item) => item.datasetIndex === 1) : { display: false },
          tooltip: { filter: (item) => item.datasetIndex === 0, callbacks: {
            title: (items) => bin(items[0]),
            label: (item) => `${item.dataset.label}: ${item.parsed.y.toFixed(1)} %`,
          } },
        } }),
    };
  };

  const law = (data, theme) => ({
    type: "line",
    data: { datasets: [
      ...data.series.map((series) => line(theme, series)),
      { label: "base", data: [{ x: 0, y: 1 }, { x: 1, y: 1 }], borderColor: theme.quiet, borderDash: [4, 4], borderWidth: 1.25, pointRadius: 0 },
    ] },
    options: options(theme, axis(theme, "reward quantile u", { min: 0, max: 1 }), axis(theme, "w(u)", { min: 0 }),
      { plugins: { legend: legend(theme) }, interaction: { mode: "nearest", axis: "x", intersect: false } }),
  });

  const superscript = (integer) => String(integer).replace(/./g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);

  // 0.05, 1,200, 2×10⁹
  const short = (value) => {
    const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)) + 1e-9);
    if (exponent >= -2 && exponent < 5) return Number(value.toPrecision(3)).toLocaleString("en");
    const digits = Number((value / 10 ** exponent).toPrecision(3));
    return `${digits === 1 ? "" : `${digits}×`}10${superscript(exponent)}`;
  };

  // Round numbers on a logarithmic axis: the coarsest of powers, 1-2-5, whole and tenth steps that has three.
  const logTicks = (low, high) => {
    const steps = [[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9], Array.from({ length: 90 }, (_, i) => 1 + i / 10)];
    let ticks = [];
    for (const step of steps) {
      ticks = [];
      for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); ++exponent) {
        ticks.push(...step.map((digit) => Number((digit * 10 ** exponent).toPrecision(4))).filter((v) => v >= low && v <= high));
      }
      if (ticks.length >= 3) break;
    }
    const every = Math.ceil(ticks.length / 8);
    return ticks.filter((_, i) => i % every === 0);
  };

  // An axis with a little room around the values it shows.
  const scaled = (theme, title, values, log) => {
    const shown = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
    if (shown.length === 0) return axis(theme, title);
    const low = shown.reduce((least, value) => Math.min(least, value));
    const high = shown.reduce((most, value) => Math.max(most, value));
    const ticks = { color: theme.quiet, maxRotation: 0, includeBounds: false, maxTicksLimit: 8, callback: short };
    if (!log) {
      const room = 0.05 * (high - low) || 0.5 * Math.abs(high) || 1;
      return axis(theme, title, { min: low >= 0 ? Math.max(0, low - room) : low - room, max: high + room, ticks });
    }
    const room = high > low ? (high / low) ** 0.05 : 2;
    return axis(theme, title, {
      type: "logarithmic", min: low / room, max: high * room, ticks,
      afterBuildTicks: (scale) => { scale.ticks = logTicks(low / room, high * room).map((value) => ({ value })); },
    });
  };

  const curve = (data, theme) => {
    const all = (place) => data.series.flatMap(({ points }) => points.map((point) => point[place] ?? NaN));
    return {
      type: "line",
      data: { datasets: data.series.map((series) => line(theme, series)) },
      options: options(theme, scaled(theme, "optimizer step", all(0)), scaled(theme, "", all(1)), {
        parsing: false,
        interaction: { mode: "nearest", axis: "x", intersect: false },
        plugins: {
          legend: legend(theme), decimation: { enabled: true, algorithm: "lttb", samples: 400 },
          tooltip: { callbacks: {
            title: (items) => `step ${items[0].parsed.x.toLocaleString("en")}`,
            label: ({ dataset, parsed }) => `${dataset.label}: ${short(parsed.y)}`,
          } },
        },
      }),
    };
  };

  const kManyPoints = 24;

  const band = (context, points) => {
    context.globalAlpha = 0.18;
    points.forEach(({ x, high }) => context.lineTo(x, high));
    points.reverse().forEach(({ x, low }) => context.lineTo(x, low));
    context.fill();
  };

  const whiskers = (context, points) => {
    context.globalAlpha = 0.7;
    context.lineWidth = 1.25;
    for (const { x, low, high } of points) {
      for (const [left, top, right, bottom] of [[x, high, x, low], [x - 4, high, x + 4, high], [x - 4, low, x + 4, low]]) {
        context.moveTo(left, top);
        context.lineTo(right, bottom);
      }
    }
    context.stroke();
  };

  // Intervals: whiskers, or a band behind a line of many points. What a logarithmic axis cannot show ends at the chart's edge.
  const spread = (theme, data) => ({
    id: "spread",
    beforeDatasetsDraw(chart) {
      const { ctx, chartArea: area, scales: { x, y } } = chart;
      const inside = (value) => {
        const pixel = y.getPixelForValue(value);
        return Number.isFinite(pixel) ? Math.min(area.bottom, Math.max(area.top, pixel)) : area.bottom;
      };
      data.series.forEach((series, i) => {
        const points = series.points.filter((point) => Number.isFinite(point[2]) && Number.isFinite(point[3]))
          .map((point) => ({ x: x.getPixelForValue(point[0]), low: inside(point[2]), high: inside(point[3]) }));
        if (points.length === 0 || !chart.isDatasetVisible(i)) return;
        ctx.save();
        ctx.strokeStyle = ctx.fillStyle = theme.stage(series.colour);
        ctx.beginPath();
        (points.length > kManyPoints ? band : whiskers)(ctx, points);
        ctx.restore();
      });
    },
  });

  const shapes = ["circle", "rect", "triangle", "rectRot", "star", "cross"];

  const lines = (data, theme) => {
    const all = (places) => data.series.flatMap(({ points }) => points.flatMap((point) => places.map((place) => point[place] ?? NaN)));
    const datasets = data.series.map((series, i) => ({
      ...line(theme, series),
      pointRadius: series.points.length > kManyPoints ? 0 : 3.5,
      pointHoverRadius: 5,
      pointStyle: shapes[i % shapes.length],
    }));
    const between = (point) => (Number.isFinite(point[2]) ? ` (${short(point[2])} to ${short(point[3])})` : "");
    return {
      type: "line",
      data: { datasets },
      options: options(theme, scaled(theme, data.x_label, all([0]), data.log_x), scaled(theme, data.y_label, all([1, 2, 3]), data.log_y), {
        interaction: { mode: "nearest", axis: "xy", intersect: false },
        plugins: {
          legend: { display: true, position: "bottom", labels: { color: theme.text, usePointStyle: true, boxWidth: 8, boxHeight: 5 } },
          tooltip: { callbacks: {
            title: (items) => `${data.x_label}: ${short(items[0].parsed.x)}`,
            label: ({ dataset, parsed, datasetIndex, dataIndex }) =>
              `${dataset.label}: ${short(parsed.y)}${between(data.series[datasetIndex].points[dataIndex])}`,
          } },
        },
      }),
      plugins: [spread(theme, data)],
    };
  };

  // A bar a stage; a reused one is hollow. Its time stands to the right of it.
  const timeline = (data, theme, figure) => {
    const bars = data.bars;
    figure.querySelector(".plot").style.height = `${bars.length * 26 + 60}px`;
    const end = Math.max(data.seconds, ...bars.map((bar) => bar.to)) || 1;
    const times = {
      id: "times",
      afterDatasetsDraw(chart) {
        const context = chart.ctx;
        context.save();
        context.fillStyle = theme.quiet;
        context.font = Chart.helpers.toFont({ size: 11 }).string;
        context.textBaseline = "middle";
        chart.getDatasetMeta(0).data.forEach((bar, i) => {
          const text = bars[i].text;
          const right = bar.x + 6;
          const fits = right + context.measureText(text).width < chart.width;
          context.textAlign = fits ? "left" : "right";
          if (!fits) context.fillStyle = theme.panel;
          context.fillText(text, fits ? right : bar.x - 6, bar.y);
          context.fillStyle = theme.quiet;
        });
        context.restore();
      },
    };
    return {
      type: "bar",
      data: {
        labels: bars.map((bar) => bar.tag),
        datasets: [{
          data: bars.map((bar) => [bar.from, bar.to]),
          backgroundColor: bars.map((bar) => (bar.reused ? theme.panel : theme.stage(bar.colour))),
          borderColor: bars.map((bar) => theme.stage(bar.colour)),
          borderWidth: 1.5,
          borderSkipped: false,
          minBarLength: 5,
          barPercentage: 0.7,
        }],
      },
      options: options(theme,
        axis(theme, "seconds since the run began", { min: 0, max: end }),
        { ticks: { color: theme.text, autoSkip: false }, grid: { display: false, borderColor: theme.line } },
        { indexAxis: "y", layout: { padding: { right: 64 } }, plugins: { tooltip: { callbacks: {
          label: (item) => bars[item.dataIndex].text,
        } } } }),
      plugins: [times],
    };
  };

  const builders = { histogram, law, curve, lines, timeline };
  const charts = [];

  // A lone point without a mark cannot be seen.
  const visible = ({ type, data }) => (type === "line" && data.length === 1 && data[0].options.radius === 0 ? 0 : data.length);
  const shown = (chart) => chart.getSortedVisibleDatasetMetas().reduce((sum, meta) => sum + visible(meta), 0);

  const tell = {
    id: "tell",
    afterDraw(chart) {
      chart.canvas.dataset.drawn = shown(chart);
      if (chart.scales.y) chart.canvas.dataset.values = chart.scales.y.ticks.map(({ label }) => label).join(" ");
      const all = document.querySelectorAll("canvas[data-chart]");
      const drawn = [...all].filter((canvas) => Number(canvas.dataset.drawn) > 0);
      root.dataset.charts = `${drawn.length}/${all.length}`;
    },
  };

  const drawAll = () => {
    charts.splice(0).forEach((chart) => chart.destroy());
    const theme = readTheme();
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    for (const canvas of document.querySelectorAll("canvas[data-chart]")) {
      const figure = canvas.closest("figure");
      const data = JSON.parse(figure.querySelector("script").textContent);
      const config = builders[canvas.dataset.chart](data, theme, figure);
      config.plugins = [...(config.plugins || []), tell];
      charts.push(new Chart(canvas, config));
    }
  };

  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
