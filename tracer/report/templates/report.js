"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  all(".js, .tool, #theme").forEach((element) => { element.hidden = false; });

  // Light or dark: as the system has it, until somebody chooses.
  const root = document.documentElement, button = document.getElementById("theme");
  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; name(); });
  name();

  // What a link leads to is shown, whatever it is folded into.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    const evidence = target.matches(".group") && target.querySelector("details.evidence");
    if (evidence) { evidence.open = true; target.focus({ preventScroll: true }); }
    target.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", reveal);
  reveal();
  // A second click on the same link changes no hash.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link && link.getAttribute("href") === location.hash) reveal();
  });

  all("[data-open]").forEach((tool) => tool.addEventListener("click", () => {
    const lines = all(tool.dataset.open), open = !lines.every((line) => line.open);
    lines.forEach((line) => { line.open = open; });
    tool.textContent = open ? "Close all" : "Open all";
  }));

  // One stop of the tabulator for the whole matrix; the arrows go on from there.
  const rows = all(".heat tbody tr:not(.section)").map((row) => all("a", row).map((link) => [link, link.closest("td,th").cellIndex]));
  rows.forEach((row, y) => row.forEach(([link], x) => { link.tabIndex = x || y ? -1 : 0; }));
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  document.querySelector(".heat")?.addEventListener("keydown", (event) => {
    const move = moves[event.key], y = rows.findIndex((row) => row.some(([link]) => link === event.target));
    if (!move || y < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const x = rows[y].findIndex(([link]) => link === event.target), column = rows[y][x][1];
    let next = rows[y][x + move[1]];
    for (let at = y + move[0]; move[0] && rows[at]; at += move[0]) if ((next = rows[at].find(([, index]) => index === column))) break;
    if (!next || next[0] === event.target) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next[0].tabIndex = 0;
    next[0].focus();
  });

  // On paper nothing can be opened.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details.line:not([open]), details.difference:not([open])");
    closed.forEach((line) => { line.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((line) => { line.open = false; }));
})();
