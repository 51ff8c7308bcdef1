// Keeps the live parts of a page up to date, shows times in the viewer's zone, and copies values.
// Nothing else: every page works without it.
"use strict";

(() => {
  const EVERY_MS = 3000;
  const LONGEST_MS = 60000;
  const language = document.documentElement.lang;
  const shortTime = new Intl.DateTimeFormat(language, {dateStyle: "medium", timeStyle: "short"});
  const fullTime = new Intl.DateTimeFormat(language, {dateStyle: "full", timeStyle: "long"});
  const clock = {
    minute: new Intl.DateTimeFormat(language, {hour: "2-digit", minute: "2-digit"}),
    day: new Intl.DateTimeFormat(language, {day: "2-digit", month: "short"}),
  };
  let wait = EVERY_MS;
  let timer = 0;
  let asking = false;

  // <time>: the text in the viewer's zone; how long ago stays, and the time is its title.
  function localize(root) {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      element.title = fullTime.format(at);
      if (!("ago" in element.dataset)) element.textContent = shortTime.format(at);
    }
  }

  // The times below a curve, of which SVG has no element of its own.
  function localizeLabels(root) {
    for (const label of root.querySelectorAll("text[data-at]")) {
      label.textContent = clock[label.dataset.unit].format(new Date(label.dataset.at));
    }
  }

  // Times in forms are of the viewer's zone, once the form says which that is.
  function nameZone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const element of document.querySelectorAll("[data-zone]")) {
      if (element.nodeName === "INPUT") element.value = zone;
      else element.textContent = zone;
    }
  }

  // What tells a node from its neighbours: an element of another kind or key is another one.
  function sameNode(one, other) {
    if (one.nodeType !== other.nodeType || one.nodeName !== other.nodeName) return false;
    return one.nodeType !== Node.ELEMENT_NODE ||
      ((one.id || one.dataset.key) === (other.id || other.dataset.key));
  }

  function changeAttributes(old, wanted) {
    for (const {name} of [...old.attributes]) {
      // Whether it is open is the viewer's choice.
      const kept = name === "open" && old.nodeName === "DETAILS";
      if (!kept && !wanted.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const {name, value} of [...wanted.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }

  // Makes `old` look like `wanted`, and touches only what is different: focus, selection, scroll
  // and whatever is open stay as they are.
  function change(old, wanted) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== wanted.nodeValue) old.nodeValue = wanted.nodeValue;
      return;
    }
    // Somebody may be typing there.
    if (old.matches("form, input, select, textarea")) return;
    changeAttributes(old, wanted);
    changeChildren(old, wanted);
  }

  function changeChildren(old, wanted) {
    let place = old.firstChild;
    for (const next of [...wanted.childNodes]) {
      let found = place;
      while (found !== null && !sameNode(found, next)) found = found.nextSibling;
      if (found === null) {
        old.insertBefore(next, place);
        continue;
      }
      if (found !== place && found.contains(document.activeElement)) {
        // What is moved loses the focus: those before it move instead.
        const after = found.nextSibling;
        while (place !== found) {
          const skipped = place;
          place = place.nextSibling;
          old.insertBefore(skipped, after);
        }
      }
      if (found === place) place = place.nextSibling;
      else old.insertBefore(found, place);
      change(found, next);
    }
    while (place !== null) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
  }

  async function refresh(element) {
    const answer = await fetch(element.dataset.live, {
      cache: "no-store", credentials: "same-origin", redirect: "error",
    });
    if (answer.status === 401) {
      location.assign(document.body.dataset.signIn);
      return;
    }
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    // A parser drops blanks in front of a body that is not there, and all would seem to have moved.
    const html = `<body>${await answer.text()}`;
    const wanted = new DOMParser().parseFromString(html, "text/html").body;
    localize(wanted);
    localizeLabels(wanted);
    changeChildren(element, wanted);
  }

  async function refreshAll() {
    if (asking || document.hidden) return;
    asking = true;
    clearTimeout(timer);
    const away = document.getElementById("away");
    try {
      for (const element of document.querySelectorAll("[data-live]")) await refresh(element);
      wait = EVERY_MS;
      away.hidden = true;
    } catch {
      wait = Math.min(2 * wait, LONGEST_MS);
      away.hidden = false;
    }
    asking = false;
    if (!document.hidden) timer = setTimeout(refreshAll, wait);
  }

  // The clipboard is for secure pages only; elsewhere the old way works.
  async function copy(field) {
    field.select();
    if (navigator.clipboard) await navigator.clipboard.writeText(field.value);
    else document.execCommand("copy");
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    const text = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await copy(document.getElementById(button.dataset.copy));
      button.textContent = button.dataset.copied;
      setTimeout(() => { button.textContent = text; }, EVERY_MS);
    });
  }

  localize(document);
  localizeLabels(document);
  nameZone();
  if (document.querySelector("[data-live]") !== null) {
    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      refreshAll();
    });
    timer = setTimeout(refreshAll, wait);
  }
})();
