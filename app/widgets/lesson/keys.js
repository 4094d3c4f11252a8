// Keys and swipes press the buttons of the page, so that there is one way to each of them.

const BUTTONS = {ArrowRight: "next", PageDown: "next", " ": "next", ArrowLeft: "back", PageUp: "back",
                 p: "hold", q: "join", l: "live"}
// Where arrows and letters belong to what has the focus.
const BUSY = "input:not([type=radio]), textarea, select, canvas, svg[tabindex], [contenteditable=true], [role=slider], " +
  "[role=combobox], [role=listbox], [role=radiogroup] button, [role=dialog], [role=menu]"
const WRITING = "textarea, select, input:not([type=radio]):not([type=range]):not([type=checkbox])"
const SWIPE = 60  // pixels

const met = (event, what) => event.composedPath().some(node => node instanceof Element && node.matches(what))
const press = name => document.querySelector(`.st-key-lesson_${name} :is(button, a, label)`)?.click()

function black() {
  const there = document.querySelector(".lesson-black")
  if (there) return there.remove()
  const sheet = document.createElement("div")
  sheet.className = "lesson-black"
  sheet.setAttribute("role", "img")
  sheet.setAttribute("aria-label", "Black screen. Any key shows the lesson again.")
  sheet.onclick = () => sheet.remove()
  document.body.append(sheet)
}

function keydown(event, data) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
  const done = () => { event.preventDefault(); event.stopPropagation() }
  if (document.querySelector(".lesson-black")) { black(); return done() }
  const {key} = event, page = key.startsWith("Page")
  if (met(event, page ? WRITING : BUSY)) return
  if ((key === " " || key === "Enter") && met(event, "button, a, input, summary, label")) return
  const letter = key.length === 1 ? key.toLowerCase() : key
  if (letter === "b" || letter === ".") { black(); return done() }
  if (letter === "f") { document.documentElement.requestFullscreen?.(); return done() }
  if (letter === "n" && data.notes) { window.open(data.notes, "lesson-notes", "width=900,height=700"); return done() }
  if (/^[1-5]$/.test(key)) {
    document.querySelectorAll(".st-key-lesson_guess label[data-testid=stRadioOption], .st-key-lesson_guess [role=radiogroup] label")[key - 1]?.click()
    return done()
  }
  if (BUTTONS[letter]) { press(BUTTONS[letter]); done() }
}

export default function ({data, parentElement}) {
  window.ngfLesson?.abort()
  const control = window.ngfLesson = new AbortController(), {signal} = control
  const look = document.documentElement.classList
  look.add("lesson")
  look.toggle("lecture", data.present)
  window.addEventListener("keydown", event => keydown(event, data), {capture: true, signal})
  let from = null
  window.addEventListener("touchstart", event => {
    from = event.touches.length === 1 && !met(event, `${BUSY}, input, .js-plotly-plot`) ? event.touches[0] : null
  }, {passive: true, signal})
  window.addEventListener("touchend", event => {
    if (!from) return
    const to = event.changedTouches[0], across = to.clientX - from.clientX
    if (Math.abs(across) > SWIPE && Math.abs(across) > 2 * Math.abs(to.clientY - from.clientY)) {
      press(across < 0 ? "next" : "back")
    }
    from = null
  }, {passive: true, signal})
  return () => {
    if (window.ngfLesson !== control) return
    control.abort()
    look.remove("lesson", "lecture")
    document.querySelector(".lesson-black")?.remove()
  }
}
