"use strict";
(function () {
  const cards = document.getElementById("cards");
  const sort = document.getElementById("sort");
  if (!sort) { return; }
  const order = Array.from(cards.children);
  const score = (card) => (card.dataset.score === undefined ? NaN : Number(card.dataset.score));
  document.getElementById("order").hidden = false;
  sort.addEventListener("change", () => {
    let sorted = order;
    if (sort.value !== "file") {
      const sign = sort.value === "high" ? -1 : 1;
      const known = order.filter((card) => !Number.isNaN(score(card)));
      known.sort((a, b) => sign * (score(a) - score(b)));
      sorted = known.concat(order.filter((card) => Number.isNaN(score(card))));
    }
    cards.append(...sorted);
  });
})();
