// Streamlit asks a page again by a timer that it sets anew with each drawing. On a busy server a drawing may
// be lost, and the timer with it: then the page presses the button by which it would be brought up to date.

const SILENCE = 8000, EVERY = 2000

export default function () {
  window.ngfBeat = Date.now()
  clearInterval(window.ngfWatch)
  window.ngfWatch = setInterval(() => {
    const button = document.querySelector(".st-key-lesson_look button")
    if (!button) return clearInterval(window.ngfWatch)
    if (document.hidden || Date.now() - window.ngfBeat < SILENCE) return
    window.ngfBeat = Date.now()
    button.click()
  }, EVERY)
}
