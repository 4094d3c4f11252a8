// A new scene is read from its top, an answer from its question, wherever the button was that turned
// the page: on a phone it stands two screens below.

const HEADER = 72  // pixels that the page's own bar covers

export default function ({data}) {
  const place = `${data.scene} ${data.shown}`, before = window.ngfLessonPlace
  window.ngfLessonPlace = place
  if (before === undefined || before === place) return
  const main = document.querySelector("[data-testid=stMain]")
  if (!data.shown) return main?.scrollTo({top: 0})
  const question = document.querySelector(".st-key-lesson_turned_out")
  const {top} = question?.getBoundingClientRect() ?? {top: HEADER}
  if (top < HEADER || top > window.innerHeight / 2) main?.scrollBy({top: top - HEADER})
}
