// Keys and swipes press the buttons of the page, so that there is one way to each of them.

const BUTTONS = {ArrowRight: "next", PageDown: "next", " ": "next", ArrowLeft: "back", PageUp: "back",
                 p: "hold", q: "join", l: "live"}
// Where arrows and letters belong to what has the focus.
const BUSY = "input:not([type=radio], [type=checkbox]), textarea, select, canvas, svg[tabindex], [contenteditable=true], [role=slider], " +
  "[role=combobox], [role=listbox], [role=radiogroup] button, [role=dialog], [role=menu]"
const WRITING = "textarea, select, input:not([type=radio]):not([type=range]):not([type=checkbox])"
const SWIPE = 60  // pixels
const LOST = 8000  // milliseconds after which a move that no drawing has answered is given up
const AGAIN = 2000  // milliseconds after which it is pressed once more
const SCHEME = 500  // milliseconds that the page takes to turn dark itself
// What the notes' window hands on to the hall; full screen needs a key of the hall's own window.
const HANDED = /^(ArrowRight|ArrowLeft|PageDown|PageUp| |[b.pql])$/

const met = (event, what) => event.composedPath().some(node => node instanceof Element && node.matches(what))
// A switch is turned by its input: a click on its label is undone by the one that the label passes on.
const press = name => document.querySelector(`.st-key-lesson_${name} :is(input, button, a)`)?.click()

// A press that is kept while there is no connection would be played when it is back, with all that followed.
const app = () => document.querySelector("[data-testid=stApp]")
const connected = () => navigator.onLine && app()?.dataset.testConnectionState === "CONNECTED"

// The server takes a second press within one drawing for the first, so it waits for the drawing.
const moves = window.ngfMoves ??= {waiting: [], since: 0}
function move(name) {
  if (Date.now() - moves.since < LOST) return moves.waiting.push(name)
  if (moves.since) moves.waiting.length = 0
  const button = document.querySelector(`.st-key-lesson_${name} button`)
  if (!button || button.disabled) return moves.waiting.length = 0
  moves.since = Date.now()
  button.click()
  setTimeout(again, AGAIN, name, moves.since)
}

// Streamlit loses a press that comes while it draws the page for another reason.
function again(name, since) {
  if (moves.since !== since || Date.now() - since > LOST) return
  if (connected() && app().dataset.testScriptState === "notRunning") {
    document.querySelector(`.st-key-lesson_${name} button`)?.click()
  }
  setTimeout(again, AGAIN, name, since)
}

function drawn(at) {
  if (moves.at === at) return
  Object.assign(moves, {at, since: 0})
  if (moves.waiting.length) move(moves.waiting.shift())
}

const BLACK = ".lesson-black", ASK = "?"  // what a window of notes that opens asks the hall

// The notes are told, since their reader does not look at the wall.
function tell() {
  window.ngfHall?.postMessage({black: document.querySelector(BLACK) !== null})
}

function black() {
  const there = document.querySelector(BLACK)
  if (there) {
    there.remove()
    return tell()
  }
  const sheet = document.createElement("div")
  sheet.className = "lesson-black"
  sheet.setAttribute("role", "img")
  sheet.setAttribute("aria-label", "Black screen. Any key shows the lesson again.")
  sheet.onclick = black
  document.body.append(sheet)
  tell()
}

// A scene is laid out for a hall's screen of 1920 by 1080 and drawn smaller or larger on any other; a phone
// that opens the hall's address reads it as a column.
const HALL = [1920, 1080], COLUMN = 960
function fit(present) {
  const {style} = document.documentElement
  const zoom = present && innerWidth >= COLUMN ? Math.min(innerWidth / HALL[0], innerHeight / HALL[1]) : 1
  style.zoom = zoom === 1 ? "" : zoom
  style.setProperty("--lesson-zoom", zoom)
  if (app()) style.setProperty("--lesson-ground", getComputedStyle(app()).backgroundColor)
}

function keydown(event, data) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
  const done = () => { event.preventDefault(); event.stopPropagation() }
  const {key} = event, page = key.startsWith("Page"), letter = key.length === 1 ? key.toLowerCase() : key
  // The notes can be opened while the hall is black.
  if (document.querySelector(BLACK) && letter !== "n") { black(); return done() }
  const address = document.querySelector("[role=dialog]:has(.st-key-lesson_address) button[aria-label=Close]")
  if (address && (BUTTONS[letter] || letter === "b" || letter === ".")) { address.click(); return done() }
  if (met(event, page ? WRITING : BUSY)) return
  if ((key === " " || key === "Enter") && met(event, "button, a, input, summary, label")) return
  if (letter === "b" || letter === ".") { black(); return done() }
  if (letter === "f") {
    document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen?.()
    return done()
  }
  if (letter === "n" && data.notes) { window.open(data.notes, "lesson-notes", "width=900,height=700"); return done() }
  if (/^[1-5]$/.test(key)) {
    document.querySelectorAll(".st-key-lesson_guess label[data-testid=stRadioOption], .st-key-lesson_guess [role=radiogroup] label")[key - 1]?.click()
    return done()
  }
  const button = BUTTONS[letter]
  // What was last clicked keeps no frame on the wall.
  if (button) document.querySelector(".st-key-lesson_bar :focus-visible")?.blur()
  if (button && !connected()) { moves.waiting.length = 0; return done() }
  if (button) { (button === "next" || button === "back" ? move : press)(button); done() }
}

// The keys of the notes' window go to the hall's, in which they were meant to be pressed.
function handOn(event, hall) {
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key
  if (event.ctrlKey || event.metaKey || event.altKey || !HANDED.test(letter) || met(event, BUSY)) return
  if (event.key === " " && met(event, "button, a, input, summary, label")) return
  event.preventDefault()
  hall.postMessage(event.key)
}

// One channel for all drawings of a class: what arrives while one is closed for the next would be lost.
function channel(room) {
  const name = room ? `ngf-lesson-${room}` : undefined
  if (window.ngfChannel?.name === name) return window.ngfChannel ?? null
  window.ngfChannel?.close()
  return window.ngfChannel = name ? new BroadcastChannel(name) : null
}

export default function ({data, setTriggerValue}) {
  window.ngfLesson?.abort()
  const control = window.ngfLesson = new AbortController(), {signal} = control
  const hall = channel(data.room)
  if (data.speaker) {
    document.documentElement.classList.add("lesson-notes")
    signal.addEventListener("abort", () => document.documentElement.classList.remove("lesson-notes"))
    window.addEventListener("keydown", event => hall && handOn(event, hall), {capture: true, signal})
    signal.addEventListener("abort", () => document.documentElement.classList.remove("hall-black"))
    if (hall) {
      hall.onmessage = ({data: said}) => document.documentElement.classList.toggle("hall-black", said.black === true)
      hall.postMessage(ASK)
    }
    return () => {
      if (window.ngfLesson !== control) return
      control.abort()
      channel(null)
    }
  }
  window.ngfHall = data.present ? hall : null
  if (window.ngfHall) {
    hall.onmessage = ({data: key}) => key === ASK ? tell() : typeof key === "string" &&
      document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}))
    tell()
  } else if (hall) hall.onmessage = null
  const look = document.documentElement.classList
  drawn(data.at)
  const reach = () => look.toggle("offline", !navigator.onLine)
  for (const name of ["online", "offline"]) window.addEventListener(name, reach, {signal})
  // A computer that turns dark at dusk: the figures are drawn for one or the other, on the server.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    setTimeout(setTriggerValue, SCHEME, "scheme", true), {signal})
  fit(data.present)
  window.addEventListener("resize", () => fit(data.present), {signal})
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
      move(across < 0 ? "next" : "back")
    }
    from = null
  }, {passive: true, signal})
  return () => {
    if (window.ngfLesson !== control) return
    if (document.querySelector(BLACK)) black()
    window.ngfHall = null
    control.abort()
    channel(null)
    look.remove("lesson", "lecture", "offline")
    fit(false)
  }
}
