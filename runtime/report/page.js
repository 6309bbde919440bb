// Draws every chart of the page from the JSON beside its canvas, in the colours of the light or dark scheme in force.
// A drawn canvas says so (data-drawn: how many points, bars or lines it shows), and the document counts them (data-charts="7/7").
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
    pointRadius: 0,
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

  const curve = (data, theme) => ({
    type: "line",
    data: { datasets: data.series.map((series) => line(theme, series)) },
    options: options(theme,
      axis(theme, "optimizer step", { min: Math.min(...data.series.map((series) => series.points[0][0])) }),
      axis(theme, "", { ticks: { color: theme.quiet, maxTicksLimit: 6, callback: (v) => Number(v.toPrecision(3)).toString() } }), {
        parsing: false,
        interaction: { mode: "nearest", axis: "x", intersect: false },
        plugins: { legend: legend(theme), decimation: { enabled: true, algorithm: "lttb", samples: 400 } },
      }),
  });

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

  const builders = { histogram, law, curve, timeline };
  const charts = [];

  const shown = (chart) => chart.getSortedVisibleDatasetMetas().reduce((sum, meta) => sum + meta.data.length, 0);

  const tell = {
    id: "tell",
    afterDraw(chart) {
      chart.canvas.dataset.drawn = shown(chart);
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
