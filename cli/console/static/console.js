// What the pages do beyond links and forms: a file dropped anywhere, changes spoken once, troubles shown.
"use strict";

(() => {
  const trouble = document.getElementById("trouble");
  const announcement = document.getElementById("announcement");
  const shown = new Map();

  const announce = (text) => {
    if (text && announcement.textContent !== text) announcement.textContent = text;
  };
  const showTrouble = (text) => {
    if (trouble.textContent !== text) trouble.textContent = text;
    trouble.hidden = !text;
  };

  // Parts of the page that are asked for again and again.
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden) event.preventDefault();
  });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const path = event.detail.pathInfo.requestPath;
    const text = event.detail.xhr.responseText;
    if (event.detail.xhr.status === 200) {
      showTrouble("");
      if (shown.get(path) === text) event.detail.shouldSwap = false;
      shown.set(path, text);
    }
  });
  document.body.addEventListener("htmx:afterSettle", () => {
    const part = document.querySelector("[data-announce]");
    if (!part) return;
    announce(part.dataset.announce);
    if (part.dataset.title) document.title = part.dataset.title;
  });
  document.body.addEventListener("htmx:responseError", (event) => {
    showTrouble(`What is shown may be out of date: ${event.detail.xhr.responseText.slice(0, 500)}`);
  });
  document.body.addEventListener("htmx:sendError", () => {
    showTrouble("What is shown may be out of date: the console does not answer. Is `adjust console` still running?");
  });

  // A form is sent once, and a file that is too large not at all: the answer to it would get lost.
  const refusalOf = (file) => {
    const max = Number(document.getElementById("file").dataset.bytesMax);
    if (!/\.csv(\.gz)?$/i.test(file.name)) {
      return `${file.name}: the file name must end in .csv or .csv.gz. In a spreadsheet, save it as "CSV UTF-8".`;
    }
    return file.size > max ? `${file.name} is larger than ${max >> 20} MiB: use adjust submit.` : "";
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    const files = form.id === "drop" ? document.getElementById("file").files : [];
    const refusal = files.length ? refusalOf(files[0]) : "";
    showTrouble(refusal);
    if (refusal) { event.preventDefault(); return; }
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    form.setAttribute("aria-busy", "true");
    announce("Sending…");
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.forms) { delete form.dataset.sent; form.removeAttribute("aria-busy"); }
  });

  // A file may be dropped anywhere on the page.
  const form = document.getElementById("drop");
  if (!form) return;
  const input = document.getElementById("file");
  const isFile = (event) => event.dataTransfer && event.dataTransfer.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    form.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    form.classList.remove("over");
    if (!isFile(event)) return;
    event.preventDefault();
    const files = event.dataTransfer.files;
    if (files.length !== 1) { showTrouble("Drop one file at a time: each is a batch of its own."); return; }
    input.files = files;
    form.requestSubmit();
  });
})();
