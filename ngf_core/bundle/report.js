// Draws each figure into the element of its name, in the colours of the page.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const merged = (...parts) => parts.reduce((all, part) => {
    for (const [key, value] of Object.entries(part)) {
      const both = value && all[key] && typeof value === "object" && !Array.isArray(value);
      all[key] = both ? merged({}, all[key], value) : value;
    }
    return all;
  }, {});
  const layout = (own, traces) => {
    const style = getComputedStyle(document.documentElement);
    const ink = (name) => style.getPropertyValue(name).trim();
    const axis = { gridcolor: ink("--line"), zerolinecolor: ink("--line"), automargin: true };
    const menu = { bgcolor: ink("--panel"), bordercolor: ink("--line"), font: { color: ink("--text"), size: 12 } };
    const base = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "Source Sans 3, Source Sans Pro, Helvetica, Arial, sans-serif", size: 13, color: ink("--text") },
      margin: { l: 8, r: 8, t: 56, b: 16 }, hovermode: "closest",
      showlegend: traces.length > 1 && traces[0].type === "scatter",
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, xaxis: axis, yaxis: axis,
      hoverlabel: { bgcolor: ink("--panel"), bordercolor: ink("--line"), font: { color: ink("--text") } },
    };
    const full = merged({}, base, own);
    if (own.updatemenus) full.updatemenus = own.updatemenus.map((one) => merged({}, menu, one));
    return full;
  };
  const draw = () => {
    for (const [name, figure] of Object.entries(figures)) {
      const place = document.getElementById(name);
      const shown = place.data || figure.traces;
      Plotly.react(place, shown, layout(figure.layout, figure.traces), {
        responsive: true, displaylogo: false,
        modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
        toImageButtonOptions: { format: "svg", filename: figure.file },
      });
    }
  };
  draw();
  dark.addEventListener("change", draw);
})();
