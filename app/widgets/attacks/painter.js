// A canvas to paint over one small picture. Its pixels go to Python after each stroke as
// {of, pixels}: the picture's id, and base64 of red, green, blue bytes row by row.

const REMEMBERED = 30

class Painter {
  constructor(root) {
    this.canvas = root.querySelector("canvas")
    this.pen = this.canvas.getContext("2d", {willReadFrequently: true})
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

  // Show another picture, given as {id, width, height, pixels, label}.
  load({id, width, height, pixels, label}) {
    Object.assign(this.canvas, {width, height})
    this.canvas.setAttribute("aria-label", label)
    const bytes = atob(pixels)
    this.plain = this.pen.createImageData(width, height)
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) this.plain.data[4 * i + c] = bytes.charCodeAt(3 * i + c)
      this.plain.data[4 * i + 3] = 255
    }
    this.id = id
    this.history = []
    this.at = {x: width >> 1, y: height >> 1}
    this.pen.putImageData(this.plain, 0, 0)
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
    const [left, top, width] = this.corner(at)
    this.pen.fillStyle = this.colour
    this.pen.fillRect(left, top, width, width)
  }

  line(from, to) {
    const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1)
    for (let i = 1; i <= steps; i++) {
      this.dot({x: Math.round(from.x + (to.x - from.x) * i / steps),
                y: Math.round(from.y + (to.y - from.y) * i / steps)})
    }
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
    this.history.push(this.pen.getImageData(0, 0, this.canvas.width, this.canvas.height))
    if (this.history.length > REMEMBERED) this.history.shift()
  }

  undo() {
    const before = this.history.pop()
    if (!before) return
    this.pen.putImageData(before, 0, 0)
    this.send()
  }

  clear() {
    this.keep()
    this.pen.putImageData(this.plain, 0, 0)
    this.send()
  }

  send() {
    const {width, height} = this.canvas
    const {data} = this.pen.getImageData(0, 0, width, height)
    let bytes = ""
    for (let i = 0; i < data.length; i += 4) {
      bytes += String.fromCharCode(data[i], data[i + 1], data[i + 2])
    }
    this.tell({of: this.id, pixels: btoa(bytes)})
  }
}

// Streamlit calls this again after every rerun; the painter stays, with what is on it.
export default function ({data, parentElement, setStateValue}) {
  const root = parentElement.querySelector(".painter")
  root.painter ??= new Painter(root)
  root.painter.tell = picture => setStateValue("painted", picture)
  if (root.painter.id !== data.id) root.painter.load(data)
}
