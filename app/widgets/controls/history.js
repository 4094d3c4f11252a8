// Streamlit pushes an entry of the browser's history for each change of the address. Back is to lead
// to the page, or to the run, where the reader was before: not to each step of a slider, nor to what a
// page wrote into its address by itself. Nor is it to lead to the page that is left with the address of
// the new one, where the new one wrote before its own path was set; nor to a page whose answer comes
// late, when the reader has already gone back from it.

export default function () {
  if (window.history.pushState.ngfLab) return;
  const { history, location } = window, replace = history.replaceState.bind(history);
  const push = history.pushState.bind(history);
  let clicked = false;   // since this page was opened
  let wentBack = false;  // later than the last click
  let written = null;    // the changes of this page's own address since the last click or Back
  window.addEventListener("click", () => {
    [clicked, wentBack, written] = [true, false, null];
  }, true);
  window.addEventListener("popstate", () => {
    [clicked, wentBack, written] = [false, true, null];
  }, true);
  history.pushState = (state, title, url) => {
    const left = location.href, next = new URL(url ?? "", left);
    if (next.pathname === location.pathname) {
      // Once for a click: the run may change by way of none.
      const another = clicked && !written?.pushed && run(next) !== run(location);
      written = { pushed: another || written?.pushed, left: written?.left ?? left };
      (another ? push : replace)(state, title, url);
    } else if (wentBack) {
      return;  // where Back led to is the page that comes next
    } else {
      const early = written !== null && next.search === location.search;
      if (early && !written.pushed) replace(state, title, written.left);
      (early && written.pushed ? replace : push)(state, title, url);
      [clicked, written] = [false, null];
    }
  };
  history.pushState.ngfLab = true;
}

function run(address) { return new URLSearchParams(address.search).get("run"); }
