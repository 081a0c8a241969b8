/* A page that was opened from the disk may not fetch its neighbours: search there without the excerpts. */
"use strict";
if (window.location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

/* A formula that is wider than its place scrolls in it, so the keyboard must be able to reach it. */
window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  for (const formula of document.querySelectorAll("article .math, article mjx-container")) {
    if (formula.scrollWidth > formula.clientWidth || formula.scrollHeight > formula.clientHeight) formula.tabIndex = 0;
  }
});
