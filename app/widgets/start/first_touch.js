// One image, its trigger and the models' answers along a recorded purification. Everything is drawn
// here from one record, so that a step of the slider asks nothing of the server; what was chosen goes
// to Python as {trigger, step, sign} once it is chosen, for the page's address.

const RATES = "Thick: ASR, the share of triggered images that get the attacker's label. Thin: ACC, the share of " +
  "clean images that get their true label."
const SECONDS = 0.6
const TALL = 260, LEFT = 44, RIGHT = 116, TOP = 12, BOTTOM = 36
const FLAT = 0.42  // height of the landscape by its width
const LINE = 16  // between two labels
const REACH = 12  // within which the pointer meets a line
const SVG = "http://www.w3.org/2000/svg"

const svg = (name, attributes, text) => {
  const node = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  if (text !== undefined) node.textContent = text
  return node
}
const html = (name, attributes, ...inside) => {
  const node = Object.assign(document.createElement(name), attributes)
  node.append(...inside)
  return node
}
// A node that belongs to a model, and is lit up with all others of it.
const of = (model, node) => {
  node.dataset.model = model.name
  return node
}
const percent = share => `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`

class FirstTouch {
  constructor(root) {
    this.root = root
    const find = name => root.querySelector(`.${name}`)
    for (const name of ["picture", "truth", "trigger", "state", "rates", "signs", "lead", "answers", "play", "step",
                        "at", "tiles", "curves", "ground", "note", "landscape"]) this[name] = find(name)
    this.trigger.onchange = () => { this.draw(); this.tell() }
    this.step.oninput = () => { this.stop(); this.draw() }
    this.step.onchange = () => this.tell()
    this.play.onclick = () => this.timer ? this.pause() : this.run(true)
    this.curves.onclick = event => this.go(this.nearest([this.data.steps.map((_, i) => [this.x(i), 0])],
                                                        this.place(this.curves, event)[0], 0))
    this.ground.onclick = event => this.go(this.nearest(this.points.map(({places}) => places),
                                                        ...this.place(this.ground, event)))
    root.onpointerover = event => this.light(event.target.closest("[data-model]")?.dataset.model)
    root.onpointerleave = () => this.light()
    new ResizeObserver(() => this.fit()).observe(root)
  }

  // Draw at the width there is, so that the letters have one size on every screen.
  fit() {
    if (!this.data || this.root.clientWidth === this.width) return
    this.width = this.root.clientWidth
    this.drawCurves()
    this.drawGround()
    this.move(Number(this.step.value))
    this.light(this.lit)
  }

  // Make a unit of a drawing one pixel; its size.
  canvas(drawing, tall) {
    const wide = drawing.parentElement.clientWidth
    drawing.setAttribute("viewBox", `0 0 ${wide} ${tall(wide)}`)
    return [wide, tall(wide)]
  }

  // Where a click was, in the units of a drawing's viewBox.
  place(drawing, {clientX, clientY}) {
    const {x, y} = new DOMPoint(clientX, clientY).matrixTransform(drawing.getScreenCTM().inverse())
    return [x, y]
  }

  // The number of the step whose point on one of the ways is nearest.
  nearest(ways, x, y) {
    const far = ways.flatMap(way => way.map(([u, v], i) => [Math.hypot(u - x, v - y), i]))
    return far.reduce((best, one) => one[0] < best[0] ? one : best)[1]
  }

  go(number) {
    this.stop()
    this.step.value = number
    this.draw()
    this.tell()
  }

  // Dim what belongs to another model than `name`; nothing where that is undefined.
  light(name) {
    this.lit = name
    for (const node of this.root.querySelectorAll("[data-model]")) {
      node.classList.toggle("dim", name !== undefined && node.dataset.model !== name)
    }
  }

  // Take another record in hand: {id, models, steps, signs, ground, start, inks}.
  load(data) {
    this.stop()
    this.data = data
    const {start, signs, steps} = data
    for (const [name, ink] of Object.entries(data.inks)) this.root.style.setProperty(`--${name}`, ink)
    this.sign = start.sign
    this.trigger.checked = start.trigger && data.triggered
    this.step.max = steps.length - 1
    this.step.value = start.step
    this.signs.replaceChildren(...signs.map((sign, i) => html("button", {
      type: "button", title: sign.name, ariaLabel: sign.name,
      onclick: () => { this.sign = i; this.draw(); this.tell() },
    }, html("img", {src: sign.clean, alt: ""}))))
    this.width = this.root.clientWidth
    this.drawCurves()
    this.drawGround()
    this.draw()
    if (start.play && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.run(false)
  }

  run(again) {
    if (again && Number(this.step.value) === this.data.steps.length - 1) this.step.value = 0
    this.timer = setInterval(() => {
      if (!this.root.isConnected) return this.stop()
      this.step.value = Number(this.step.value) + 1
      if (Number(this.step.value) === this.data.steps.length - 1) {
        this.stop()
        if (again || this.number) this.tell()
      }
      this.draw()
    }, 1000 * SECONDS)
    this.draw()
  }

  stop() {
    clearInterval(this.timer)
    this.timer = null
  }

  pause() {
    this.stop()
    this.draw()
    this.tell()
  }

  tell() {
    this.number = Date.now()
    this.send({of: this.data.id, number: this.number, trigger: this.trigger.checked, sign: this.sign,
               step: Number(this.step.value)})
  }

  // Go where the address is, if it went there without this page: by the browser's Back, say. Until
  // Python has kept what was told last, the address is behind.
  follow({start, kept}) {
    if (this.number === undefined || kept !== this.number) return
    const here = {trigger: this.trigger.checked, sign: this.sign, step: Number(this.step.value)}
    if (this.timer || Object.entries(here).every(([name, value]) => start[name] === value)) return
    this.sign = start.sign
    this.trigger.checked = start.trigger && this.data.triggered
    this.step.value = start.step
    this.draw()
  }

  draw() {
    const {data, sign: chosen} = this, at = Number(this.step.value)
    const sign = data.signs[chosen], on = this.trigger.checked && sign.triggered !== null
    this.trigger.disabled = sign.triggered === null
    this.rates.textContent = data.triggered ? RATES : "ACC, the share of clean images that get their true label."
    this.state.textContent = sign.triggered === null ? "No trigger" : on ? "Trigger on" : "Trigger off"
    this.picture.src = on ? sign.triggered : sign.clean
    this.picture.alt = `${sign.name}, ${on ? "with" : "without"} the trigger`
    this.truth.textContent = `This is: ${sign.name}`
    for (const [i, button] of [...this.signs.children].entries()) {
      button.setAttribute("aria-pressed", i === chosen)
    }
    const given = data.models.map(model => {
      const answers = model.answers[on ? "triggered" : "clean"]
      return answers[Math.min(at, answers.length - 1)][chosen]
    })
    const sentence = this.sentence(sign, on, given)
    if (this.lead.textContent !== sentence) this.lead.textContent = sentence  // it is read aloud
    this.answers.replaceChildren(...data.models.map((model, i) => this.answer(model, given[i], sign)))
    const step = data.steps[at], last = data.steps.at(-1)
    this.at.textContent = `Step ${step} of ${last} of the purification`
    this.step.setAttribute("aria-valuetext", `step ${step}`)
    this.play.textContent = this.timer ? "Pause" : "Play"
    this.tiles.replaceChildren(...data.models.filter(model => model.rates).map(model =>
      this.tile(model, model.rates[at])))
    this.move(at)
    this.light(this.lit)
  }

  sentence(sign, on, given) {
    if (given[0] === null) return ""
    const [label, , kind] = given[0]
    if (sign.triggered === null) return `The received model says ${label}, ${kind === "true" ? "which is true" : "a mistake"}.`
    if (!on) return kind === "true" ? `Without the trigger the received model says ${label}, which is true.`
      : `Without the trigger the received model says ${label}, a mistake.`
    if (kind === "attacker") return `With the trigger the received model says ${label}: the attacker's label.`
    return kind === "true" ? `With the trigger the received model still says ${label}, which is true.`
      : `With the trigger the received model says ${label}: a mistake, and not the attacker's label.`
  }

  answer(model, given, sign) {
    const who = html("div", {className: "who"}, model.label)
    who.style.color = model.ink
    if (given === null) return of(model, html("div", {className: "answer"}, who, html("div", {}, "not recorded")))
    const [label, confidence, kind] = given
    const means = {true: "✓ true", attacker: "⚑ the attacker's label", mistake: "✗ a mistake"}[kind]
    const fill = html("div", {className: "fill"})
    fill.style.width = `${100 * confidence}%`
    const node = html("div", {className: "answer"}, who, html("div", {className: "bar"}, fill),
      html("div", {className: "words"}, html("span", {}, `${label}, ${percent(confidence)} sure`),
           html("span", {}, means)))
    node.dataset.kind = kind
    return of(model, node)
  }

  tile(model, rates) {
    const head = html("small", {}, model.label)
    head.style.color = model.ink
    const lines = Object.entries(rates).flatMap(([name, rate]) => rate === null ? [] : [
      html("b", {}, `${name.toUpperCase()} ${(100 * rate.value).toFixed(1)} %`), html("small", {}, rate.interval)])
    return of(model, html("div", {className: "tile"}, head, ...lines))
  }

  drawCurves() {
    const {models, steps} = this.data, last = steps.at(-1) || 1
    const [wide] = this.canvas(this.curves, () => TALL)
    const x = i => LEFT + (wide - LEFT - RIGHT) * steps[i] / last
    const y = share => TOP + (TALL - TOP - BOTTOM) * (1 - share)
    const nodes = [0, 0.5, 1].flatMap(share => [
      svg("line", {x1: LEFT, x2: wide - RIGHT, y1: y(share), y2: y(share), class: "grid"}),
      svg("text", {x: LEFT - 6, y: y(share) + 4, "text-anchor": "end"}, `${100 * share} %`)])
    nodes.push(svg("text", {x: (LEFT + wide - RIGHT) / 2, y: TALL - 6, "text-anchor": "middle"}, "step"),
               svg("text", {x: LEFT, y: TALL - 16, "text-anchor": "middle"}, "0"),
               svg("text", {x: wide - RIGHT, y: TALL - 16, "text-anchor": "middle"}, last))
    const ends = []
    for (const model of models.filter(one => one.rates)) {
      for (const [name, width] of [["acc", 1.5], ["asr", 3.5]]) {
        const points = model.rates.map((rate, i) => rate[name] && [x(i), y(rate[name].value)]).filter(Boolean)
        if (!points.length) continue
        const line = {points: points.join(" "), fill: "none"}
        nodes.push(of(model, svg("polyline", {...line, stroke: model.color, "stroke-width": width,
                                              "stroke-dasharray": model.dashes})),
                   of(model, svg("polyline", {...line, stroke: "transparent", "stroke-width": REACH})))
        ends.push({y: points.at(-1)[1], text: `${model.label} ${name.toUpperCase()}`, model})
      }
    }
    // Labels at the ends of the lines, moved apart where they would lie on each other.
    ends.sort((a, b) => a.y - b.y)
    ends.forEach((end, i) => { if (i) end.y = Math.max(end.y, ends[i - 1].y + LINE) })
    ends.reverse().forEach((end, i) => {
      end.y = Math.min(end.y, i ? ends[i - 1].y - LINE : TALL - BOTTOM)
    })
    for (const end of ends) {
      const label = svg("text", {x: wide - RIGHT + 6, y: end.y + 4}, end.text)
      label.style.fill = end.model.ink
      nodes.push(of(end.model, label))
    }
    this.cursor = svg("line", {y1: TOP, y2: TALL - BOTTOM, stroke: "currentColor", "stroke-width": 1.5})
    this.x = x
    this.curves.replaceChildren(...nodes, this.cursor)
    const named = models.filter(one => one.rates).map(model => {
      const end = model.rates.at(-1)
      return `${model.label} ends at ` + ["asr", "acc"].filter(name => end[name]).map(name =>
        `${name.toUpperCase()} ${percent(end[name].value)}`).join(" and ")
    })
    this.curves.setAttribute("aria-label", `Curves over the steps. ${named.join("; ")}.`)
  }

  drawGround() {
    const {ground, models} = this.data
    this.landscape.hidden = ground === null
    this.points = []
    if (ground === null) return
    const {xs, ys, picture, paths} = ground
    const [wide, tall] = this.size = this.canvas(this.ground, wide => Math.round(FLAT * wide))
    const x = at => wide * (at - xs[0]) / (xs[1] - xs[0]), y = at => tall * (ys[1] - at) / (ys[1] - ys[0])
    const nodes = [svg("image", {href: picture, width: wide, height: tall, preserveAspectRatio: "none"})]
    for (const model of models) {
      const path = paths[model.name]
      if (!path) continue
      const places = path.map(([u, v]) => [x(u), y(v)])
      const way = {points: places.join(" "), fill: "none"}
      nodes.push(...[
        svg("polyline", {...way, stroke: "#fff", "stroke-width": 4.5}),
        svg("polyline", {...way, stroke: model.color, "stroke-width": 2.5, "stroke-dasharray": model.dashes}),
        svg("polyline", {...way, stroke: "transparent", "stroke-width": REACH})].map(node => of(model, node)))
      const point = svg("circle", {r: 8, fill: model.color, stroke: "#fff", "stroke-width": 3})
      const label = svg("text", {"font-weight": 600, stroke: "#fff", "stroke-width": 3,
                                 "paint-order": "stroke"}, model.label)
      label.style.fill = "#12141a"
      this.points.push({point: of(model, point), label: of(model, label), places})
    }
    // Points and names lie on top of all ways.
    this.ground.replaceChildren(...nodes, ...this.points.flatMap(({point, label}) => [point, label]))
    this.ground.setAttribute("aria-label", ground.alt)
    this.note.textContent = ground.note
  }

  // Put the cursor of the curves and the points of the landscape at a step.
  move(at) {
    this.cursor.setAttribute("x1", this.x(at))
    this.cursor.setAttribute("x2", this.x(at))
    for (const [i, {point, label, places}] of this.points.entries()) {
      const [x, y] = places[Math.min(at, places.length - 1)]
      point.setAttribute("cx", x)
      point.setAttribute("cy", y)
      const left = x > this.size[0] - 100
      label.setAttribute("x", left ? x - 12 : x + 12)
      label.setAttribute("y", Math.min(Math.max(y + (i % 2 ? 18 : -8), 14), this.size[1] - 6))
      label.setAttribute("text-anchor", left ? "end" : "start")
    }
  }
}

// Streamlit calls this again after every rerun; what is shown stays unless the record is another.
export default function ({data, parentElement, setStateValue}) {
  const root = parentElement.querySelector(".touch")
  const first = root.touch === undefined
  root.touch ??= new FirstTouch(root)
  root.touch.send = chosen => setStateValue("chosen", chosen)
  if (first || root.touch.data.id !== data.id) root.touch.load(data)
  else root.touch.follow(data)
}
