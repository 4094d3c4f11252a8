// Streamlit pushes an entry of the browser's history for each change of the address, and a page
// writes what it shows into its address when it opens. Two of these entries are none that Back should
// lead to: the bare page, before it has written; and the page that is left with the address of the
// new one, where the new one wrote before its own path was set.
const SOON = 1000; // milliseconds between the two steps of one change of page

export default function () {
  if (window.history.pushState.ngfLab) return;
  const { history, location } = window, replace = history.replaceState.bind(history);
  const push = history.pushState.bind(history);
  let last = { at: -Infinity };
  history.pushState = (state, title, url) => {
    const next = new URL(url ?? "", location.href), left = location.href;
    if (next.pathname === location.pathname) {
      const bare = next.search !== "" && location.search === "";
      last = { at: performance.now(), bare, left };
      (bare ? replace : push)(state, title, url);
    } else if (next.search === location.search && performance.now() - last.at < SOON) {
      if (last.bare) {
        replace(state, title, last.left);
        push(state, title, url);
      } else replace(state, title, url);
    } else push(state, title, url);
  };
  history.pushState.ngfLab = true;
}
