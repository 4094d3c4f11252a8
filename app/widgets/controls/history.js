// Streamlit pushes an entry of the browser's history for each change of the address, and a page
// writes what it shows into its address when it opens, or when another model is taken in hand, in
// several steps. Entries that Back should not lead to: the page as it was before such a step, be it
// bare or with an address that it has since changed by itself; the page that is left with the
// address of the new one, where the new one wrote before its own path was set; and a page whose
// answer comes late, when the reader has already gone back from it.

export default function () {
  if (window.history.pushState.ngfLab) return;
  const { history, location } = window, replace = history.replaceState.bind(history);
  const push = history.pushState.bind(history);
  let wentBack = false;  // later than the last click
  let written = null;    // the first change of this page's own address since the last act or Back
  let entered = true;    // since the last act this page has got an entry that Back may lead to
  const act = () => { written = null; entered = false; };
  window.addEventListener("click", () => { wentBack = false; act(); }, true);
  window.addEventListener("keydown", event => {
    if (!event.altKey && !event.ctrlKey && !event.metaKey) act();  // with them: the browser's Back
  }, true);
  window.addEventListener("popstate", () => { wentBack = entered = true; written = null; }, true);
  history.pushState = (state, title, url) => {
    const next = new URL(url ?? "", location.href), left = location.href;
    if (next.pathname === location.pathname) {
      const bare = next.search !== "" && location.search === "";
      written ??= { bare, left };
      (bare || entered ? replace : push)(state, title, url);
    } else if (wentBack) {
      return;  // where Back led to is the page that comes next
    } else if (written !== null && next.search === location.search) {
      if (written.bare) {
        replace(state, title, written.left);
        push(state, title, url);
      } else replace(state, title, url);
    } else push(state, title, url);
    entered = true;
  };
  history.pushState.ngfLab = true;
}
