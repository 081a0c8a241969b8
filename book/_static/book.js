/* A page that was opened from the disk may not fetch its neighbours: search there without the excerpts. */
"use strict";
if (window.location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
