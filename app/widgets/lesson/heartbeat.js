// Streamlit asks a page again by a timer that it sets anew with each drawing. On a busy server a drawing may
// be lost, and the timer with it: then the page presses the button by which it is brought up to date.

const SILENCE = 8000, EVERY = 2000

export default function ({data}) {
  // Behind is a page whose address, which came with its drawing, tells of fewer moves.
  const here = new URLSearchParams(window.location.search).get("moves")
  if (here === data.moves || window.ngfBeat === undefined) window.ngfBeat = Date.now()
  clearInterval(window.ngfWatch)
  window.ngfWatch = setInterval(() => {
    const button = document.querySelector(".st-key-lesson_look button")
    if (!button) return clearInterval(window.ngfWatch)
    if (document.hidden || Date.now() - window.ngfBeat < SILENCE) return
    window.ngfBeat = Date.now()
    button.click()
  }, EVERY)
}
