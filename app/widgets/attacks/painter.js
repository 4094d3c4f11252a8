// A canvas to paint over small pictures of one size. The paint lies on a layer of its own, so that
// it stays when another picture is put below it. After each stroke the layer goes to Python as
// {of, pixels}: the id of the layer, and base64 of red, green, blue, opacity bytes row by row.

const REMEMBERED = 30

class Painter {
  constructor(root) {
    this.canvas = root.querySelector("canvas")
    this.pen = this.canvas.getContext("2d")
    this.cursor = root.querySelector(".cursor")
    this.widths = root.querySelector("select")
    this.colours = [...root.querySelectorAll("[data-colour], input")]
    for (const choice of this.colours) {
      if (choice.dataset.colour) choice.style.background = choice.dataset.colour
      choice.addEventListener(choice.dataset.colour ? "click" : "input", () => this.take(choice))
    }
    root.querySelector(".undo").onclick = () => this.undo()
    root.querySelector(".clear").onclick = () => this.clear()
    this.listen()
    this.take(this.colours[0])
  }

  // Put another picture below the paint, given as {id, pixels, label}.
  lay({id, pixels, label}) {
    this.canvas.setAttribute("aria-label", label)
    this.plain = bytesOf(pixels)
    this.id = id
    this.show()
  }

  // Start with a layer, given as {layer, width, height, paint}: its id, its size, what is on it.
  start({layer, width, height, paint}) {
    Object.assign(this.canvas, {width, height})
    this.paint = paint ? bytesOf(paint) : new Uint8Array(4 * width * height)
    this.layer = layer
    this.history = []
    this.at = {x: width >> 1, y: height >> 1}
    // The same widths, as shares of the picture, on small and on large pictures.
    const pixel = Math.max(1, Math.round(width / 32))
    const chosen = this.widths.selectedIndex
    this.widths.replaceChildren(...[1, 2, 3, 5].map(n => new Option(`${n * pixel} px`, n * pixel)))
    this.widths.selectedIndex = chosen < 0 ? 1 : chosen
  }

  take(choice) {
    this.colour = choice.dataset.colour ?? choice.value
    for (const other of this.colours) {
      if (other.dataset.colour) other.setAttribute("aria-pressed", other === choice)
      other.classList.toggle("taken", other === choice)
    }
  }

  listen() {
    const canvas = this.canvas
    canvas.onpointerdown = event => {
      if (event.button !== 0 || !event.isPrimary) return
      canvas.setPointerCapture(event.pointerId)
      this.cursor.hidden = true
      this.keep()
      this.at = this.place(event)
      this.dot(this.at)
      this.show()
      this.stroking = true
    }
    canvas.onpointermove = event => {
      if (!this.stroking || !event.isPrimary) return
      const to = this.place(event)
      this.line(this.at, to)
      this.at = to
    }
    canvas.onpointerup = canvas.onpointercancel = event => {
      if (!this.stroking || !event.isPrimary) return
      this.stroking = false
      this.send()
    }
    canvas.onkeydown = event => {
      const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key]
      if (move) {
        this.at.x = Math.min(Math.max(this.at.x + move[0], 0), canvas.width - 1)
        this.at.y = Math.min(Math.max(this.at.y + move[1], 0), canvas.height - 1)
      } else if (event.key === " ") {
        this.keep()
        this.dot(this.at)
        this.show()
        this.send()
      } else return
      event.preventDefault()
      this.point()
    }
    canvas.onblur = () => { this.cursor.hidden = true }
  }

  // The pixel of the picture under a pointer.
  place(event) {
    const box = this.canvas.getBoundingClientRect()
    return {x: Math.floor((event.clientX - box.left) / box.width * this.canvas.width),
            y: Math.floor((event.clientY - box.top) / box.height * this.canvas.height)}
  }

  corner({x, y}) {
    const width = Number(this.widths.value)
    return [x - ((width - 1) >> 1), y - ((width - 1) >> 1), width]
  }

  dot(at) {
    const [left, top, brush] = this.corner(at)
    const {width, height} = this.canvas
    const colour = [1, 3, 5].map(i => parseInt(this.colour.slice(i, i + 2), 16))
    for (let y = Math.max(top, 0); y < Math.min(top + brush, height); y++) {
      for (let x = Math.max(left, 0); x < Math.min(left + brush, width); x++) {
        this.paint.set([...colour, 255], 4 * (y * width + x))
      }
    }
  }

  // Draw the picture with the paint over it.
  show() {
    const {width, height} = this.canvas
    const shown = this.pen.createImageData(width, height)
    for (let i = 0; i < width * height; i++) {
      const [from, at] = this.paint[4 * i + 3] ? [this.paint, 4 * i] : [this.plain, 3 * i]
      for (let c = 0; c < 3; c++) shown.data[4 * i + c] = from[at + c]
      shown.data[4 * i + 3] = 255
    }
    this.pen.putImageData(shown, 0, 0)
  }

  line(from, to) {
    const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1)
    for (let i = 1; i <= steps; i++) {
      this.dot({x: Math.round(from.x + (to.x - from.x) * i / steps),
                y: Math.round(from.y + (to.y - from.y) * i / steps)})
    }
    this.show()
  }

  // Frame the pixels that the space bar would paint.
  point() {
    const [left, top, width] = this.corner(this.at)
    const {width: w, height: h} = this.canvas
    Object.assign(this.cursor.style, {left: `${left / w * 100}%`, top: `${top / h * 100}%`,
                                      width: `${width / w * 100}%`, height: `${width / h * 100}%`})
    this.cursor.hidden = false
  }

  keep() {
    this.history.push(this.paint.slice())
    if (this.history.length > REMEMBERED) this.history.shift()
  }

  undo() {
    const before = this.history.pop()
    if (!before) return
    this.paint = before
    this.show()
    this.send()
  }

  clear() {
    this.keep()
    this.paint.fill(0)
    this.show()
    this.send()
  }

  send() {
    let bytes = ""
    for (const byte of this.paint) bytes += String.fromCharCode(byte)
    this.tell({of: this.layer, pixels: btoa(bytes)})
  }
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), letter => letter.charCodeAt(0))
}

// Streamlit calls this again after every rerun; the painter stays, with what is on its layer.
export default function ({data, parentElement, setStateValue}) {
  const root = parentElement.querySelector(".painter")
  root.painter ??= new Painter(root)
  root.painter.tell = picture => setStateValue("painted", picture)
  const another = root.painter.layer !== data.layer
  if (another) root.painter.start(data)
  if (another || root.painter.id !== data.id) root.painter.lay(data)
}
