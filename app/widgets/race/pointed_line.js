// Pointing at a line lights up its method in every chart of the page, as the legend does in its
// own. ECharts does not tell which line is meant, since the bars that take the clicks lie on top of
// all of them, and Streamlit hands out no chart: each is taken from the component that holds it.
// Where a later Streamlit holds it elsewhere, the legend alone lights up.

const CHART = "[data-testid=stEChartsChart]", NEAR = 10; // pixels

export default function () {
  if (window.ngfLabPointsAtLines) return;
  window.ngfLabPointsAtLines = true;
  let lit = null;
  document.addEventListener("mousemove", ({ target, clientX, clientY }) => {
    const name = pointedAt(target.closest?.(CHART), clientX, clientY);
    if (name === lit) return;
    for (const chart of [...document.querySelectorAll(CHART)].map(held).filter(Boolean)) {
      if (lit) chart.dispatchAction({ type: "downplay", seriesName: lit });
      if (name) chart.dispatchAction({ type: "highlight", seriesName: name });
    }
    lit = name;
  });
}

// The chart that an element shows: a state of one of the React components around it.
function held(element) {
  const key = Object.keys(element).find((name) => name.startsWith("__reactFiber$"));
  for (let fiber = key && element[key]; fiber; fiber = fiber.return) {
    for (let state = fiber.memoizedState; state; state = state.next) {
      const chart = state.memoizedState;
      if (chart?.convertToPixel && !chart.isDisposed()) return chart;
    }
  }
}

// The name of the line nearest to the pointer; null where none is near.
function pointedAt(element, clientX, clientY) {
  const chart = element && held(element);
  if (!chart) return null;
  const { left, top } = element.getBoundingClientRect(), at = [clientX - left, clientY - top];
  if (!chart.containPixel({ gridIndex: 0 }, at)) return null;
  const { series, legend } = chart.getOption();
  const shown = series.filter(({ type, name }) => type === "line"
    && legend?.[0]?.selected?.[name] !== false);
  let found = null, least = NEAR;
  for (const { name, data } of shown) {
    const points = data.map((point) => point[1] === null ? null
      : chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, point));
    points.forEach((point, i) => {
      const far = point ? distance(at, point, points[i + 1] ?? point) : Infinity;
      if (far < least) [found, least] = [name, far];
    });
  }
  return found;
}

// From a point to the stretch between two others.
function distance([x, y], [fromX, fromY], [toX, toY]) {
  const [alongX, alongY] = [toX - fromX, toY - fromY];
  const share = ((x - fromX) * alongX + (y - fromY) * alongY) / (alongX ** 2 + alongY ** 2 || 1);
  const there = Math.min(1, Math.max(0, share));
  return Math.hypot(x - fromX - there * alongX, y - fromY - there * alongY);
}
