// Streamlit pushes an entry of the browser's history for each change of the address, and a page
// writes what it shows into its address when it opens. Three of these entries are none that Back should
// lead to: the bare page, before it has written; the page that is left with the address of the new
// one, where the new one wrote before its own path was set; and a page whose answer comes late, when the
// reader has already gone back from it.

export default function () {
  if (window.history.pushState.ngfLab) return;
  const { history, location } = window, replace = history.replaceState.bind(history);
  const push = history.pushState.bind(history);
  let wentBack = false;  // later than the last click
  let written = null;    // the last change of this page's own address since the last click or Back
  window.addEventListener("click", () => { wentBack = false; written = null; }, true);
  window.addEventListener("popstate", () => { wentBack = true; written = null; }, true);
  history.pushState = (state, title, url) => {
    const next = new URL(url ?? "", location.href), left = location.href;
    if (next.pathname === location.pathname) {
      const bare = next.search !== "" && location.search === "";
      written = { bare, left };
      (bare ? replace : push)(state, title, url);
    } else if (wentBack) {
      return;  // where Back led to is the page that comes next
    } else if (written !== null && next.search === location.search) {
      if (written.bare) {
        replace(state, title, written.left);
        push(state, title, url);
      } else replace(state, title, url);
    } else push(state, title, url);
  };
  history.pushState.ngfLab = true;
}
