// Runs once for each figure. It keeps everything in this function: a page may hold many figures.
(function (figure) {
  "use strict";
  if (!figure || figure.dataset.dsReady) return;
  figure.dataset.dsReady = "yes";
  var table = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  var dials = Array.from(figure.querySelectorAll("input[type='range']"));
  var picture = figure.querySelector("g.ds-frame");
  var description = figure.querySelector("desc");
  var output = figure.querySelector("output");
  function show() {
    var index = 0;
    dials.forEach(function (dial, position) {
      var choices = table.values[position], chosen = Number(dial.value);
      index = index * choices.length + chosen;
      dial.setAttribute("aria-valuetext", choices[chosen]);
      dial.parentNode.querySelector(".ds-value").textContent = choices[chosen];
    });
    picture.innerHTML = table.frames[index].map(function (element) { return table.elements[element]; }).join("");
    var summary = table.summaries[index];
    if (output.textContent !== summary) output.textContent = summary;
    description.textContent = table.alt + " " + summary;
  }
  dials.forEach(function (dial) {
    dial.disabled = false;
    dial.addEventListener("input", show);
  });
  show();
})(document.getElementById("IDENTIFIER"));
