// The loss (k u^2 + v^2) / 2 of two weights, u across the valley and v along it, turned by ANGLE. Its
// Fisher matrix is taken to be its Hessian, diag(k, 1), so that the natural gradient is exact:
//   gradient          w <- w - length / k * g
//   natural gradient  w <- w - NATURAL * (F + damping * tr(F) / 2)^-1 g

const STEPS = 12, ANGLE = 0.45, NATURAL = 0.5, LEVELS = [0.05, 0.2, 0.5, 1, 2, 4, 8]
const EDGE = {x: 2.9, y: 1.7}, NUDGE = 0.1, SVG = "http://www.w3.org/2000/svg"

const cos = Math.cos(ANGLE), sin = Math.sin(ANGLE)
const inside = ([x, y]) => [cos * x + sin * y, -sin * x + cos * y]      // (x, y) -> (v, u)
const outside = ([v, u]) => [cos * v - sin * u, sin * v + cos * u]
const within = ({x, y}) => ({x: Math.min(Math.max(x, -EDGE.x), EDGE.x), y: Math.min(Math.max(y, -EDGE.y), EDGE.y)})
const loss = ([v, u], k) => (v * v + k * u * u) / 2

function way(start, {narrow: k, length, damping}, natural) {
  const added = damping * (k + 1) / 2
  const rate = natural ? [NATURAL / (1 + added), NATURAL * k / (k + added)] : [length / k, length]
  const points = [inside([start.x, start.y])]
  for (let i = 0; i < STEPS; i++) {
    const [v, u] = points.at(-1)
    points.push([v * (1 - rate[0]), u * (1 - rate[1])])
  }
  return points
}

const node = (name, attributes) => {
  const made = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  return made
}

class Valley {
  constructor(root) {
    this.svg = root.querySelector("svg")
    this.ends = root.querySelector(".ends")
    this.start = {x: -2.4, y: 0.1}
    this.svg.onpointerdown = event => {
      this.svg.setPointerCapture(event.pointerId)
      this.dragged = true
      this.put(event)
    }
    this.svg.onpointermove = event => { if (this.dragged) this.put(event) }
    this.svg.onpointerup = this.svg.onpointercancel = () => { this.dragged = false }
    this.svg.onkeydown = event => {
      const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key]
      if (!move) return
      event.preventDefault()
      this.start = within({x: this.start.x + NUDGE * move[0], y: this.start.y + NUDGE * move[1]})
      this.draw()
    }
  }

  // Put the start where a pointer is.
  put({clientX, clientY}) {
    this.start = within(new DOMPoint(clientX, clientY).matrixTransform(this.svg.getScreenCTM().inverse()))
    this.draw()
  }

  draw() {
    const {narrow, shown, ways} = this.data
    const turn = `rotate(${ANGLE * 180 / Math.PI})`
    const nodes = LEVELS.map(level => node("ellipse", {rx: Math.sqrt(2 * level), ry: Math.sqrt(2 * level / narrow),
                                                       transform: turn, class: "level"}))
    nodes.push(node("path", {d: "M-0.08 0H0.08M0 -0.08V0.08", class: "bottom"}))
    const ends = []
    for (const {name, label, color, ink} of shown ? ways : []) {
      const points = way(this.start, this.data, name === "natural")
      const line = points.map(outside).map(([x, y]) => `${x.toFixed(3)},${y.toFixed(3)}`)
      nodes.push(node("polyline", {points: line.join(" "), class: `${name} way`, stroke: color}))
      nodes.push(...points.slice(1).map(outside).map(([x, y]) => node("circle", {cx: x, cy: y, r: 0.045, fill: color})))
      const end = document.createElement("span"), bold = document.createElement("b")
      bold.textContent = label
      bold.style.color = ink
      const [first, last] = [points[0], points.at(-1)].map(point => loss(point, narrow))
      const left = last > first ? "it flew out of the valley" : `loss ${first.toFixed(2)} → ${last < 0.005 ? "0.00" : last.toFixed(2)}`
      end.append(bold, `: ${left}`)
      ends.push(end)
    }
    nodes.push(node("circle", {cx: this.start.x, cy: this.start.y, r: 0.1, class: "start"}))
    this.svg.replaceChildren(...nodes)
    this.ends.replaceChildren(...ends)
  }
}

// Streamlit calls this again after every rerun; the start stays where it was put.
export default function ({data, parentElement}) {
  const root = parentElement.querySelector(".valley")
  root.valley ??= new Valley(root)
  root.valley.data = data
  root.valley.draw()
}
