// Streamlit asks a page again by timers that it sets anew with each drawing. On a busy server a drawing may be
// lost, and its timers with it: then the page would wait for ever for a run that has long ended.

const SILENCE = 8000, EVERY = 2000

export default function ({data, setTriggerValue}) {
  window.ngfAsked = Date.now()
  clearInterval(window.ngfJobWatch)
  if (!data.alive) return
  window.ngfJobWatch = setInterval(() => {
    const app = document.querySelector("[data-testid=stApp]")
    if (document.hidden || app?.dataset.testScriptState !== "notRunning") return
    if (Date.now() - window.ngfAsked < SILENCE) return
    window.ngfAsked = Date.now()
    setTriggerValue("silent", true)
  }, EVERY)
}
