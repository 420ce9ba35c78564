"use strict";

const byId = (id) => document.getElementById(id);
const told = JSON.parse(byId("told").textContent);
// How often the work is asked for how far it is [ms].
const ASK_MS = 400;

const WORDS = {
  receiving: "is being read",
  running: "is being restored",
  done: "is restored",
  failed: "could not be restored",
  stopped: "was stopped",
};

let chosen = null;
let shownResult = null;

async function ask(address, options = {}) {
  const headers = options.method === "POST" ? { "X-Xsim-Token": told.token } : {};
  let answer;
  try {
    answer = await fetch(address, { ...options, headers });
  } catch {
    throw new Error("xsim view does not answer: it has ended, or the file changed while it was read");
  }
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

function complain(problem) {
  byId("problem").textContent = problem ? problem.message : "";
  byId("problem").hidden = !problem;
}

// Do something, and say what is wrong where it fails.
async function attempt(act) {
  complain(null);
  try {
    await act();
  } catch (problem) {
    complain(problem);
  }
}

const frames = () => [...document.querySelectorAll("input[data-kind]")];
// RAW files say nothing of their pixels, so the form asks.
const needsRaw = () =>
  [chosen, ...frames().flatMap((input) => [...input.files])].some(
    (file) => file && file.name.toLowerCase().endsWith(told.raw),
  );

// Frames that correct what is dropped from now on are handed over once, one after the other.
async function hand(input) {
  const { kind } = input.dataset;
  const said = byId(`${kind}-said`);
  byId("go").disabled = true;
  try {
    for (const [number, file] of [...input.files].entries()) {
      if (file.size > told.largest_bytes) throw new Error(`${file.name} is larger than what is taken here.`);
      said.textContent = `${number + 1} of ${input.files.length}`;
      await ask(`/frames?${new URLSearchParams({ kind, number, name: file.name })}`, { method: "POST", body: file });
    }
    said.textContent = input.files.length ? `${input.files.length} taken` : "";
    byId("raw").hidden = !needsRaw();
    if (kind === "map" && input.files.length) byId("form").elements.bad_pixels.value = "map";
  } catch (problem) {
    input.value = said.textContent = "";
    throw problem;
  } finally {
    byId("go").disabled = !chosen;
  }
}

function choose(files) {
  complain(null);
  if (files.length !== 1) return complain(new Error("One file at a time: drop one, or use xsim zoo run for a folder."));
  if (files[0].size > told.largest_bytes) {
    return complain(new Error(`${files[0].name} is larger than what is taken here: use xsim zoo run.`));
  }
  [chosen] = files;
  byId("chosen").textContent = chosen.name;
  byId("raw").hidden = !needsRaw();
  byId("go").disabled = false;
}

async function restore() {
  const given = new URLSearchParams();
  for (const [key, value] of new FormData(byId("form"))) if (typeof value === "string" && value) given.set(key, value);
  given.set("name", chosen.name);
  for (const kind of ["dark", "flat"]) if (byId(kind).files.length) given.set(kind, "yes");
  if (!needsRaw()) for (const key of [...given.keys()]) if (key.startsWith("raw_")) given.delete(key);
  const { job } = await ask("/job");
  if (job && job.state === "done" && job.saved.length === 0) {
    if (!confirm(`${job.name} was not saved. Let its result go?`)) return;
    given.set("discard", "yes");
  }
  byId("go").disabled = true;
  follow();
  try {
    await ask(`/jobs?${given}`, { method: "POST", body: chosen });
  } finally {
    byId("go").disabled = false;
  }
  // Where the file took longer than a look, nothing was going on yet, and nobody looks any more.
  if (await look()) follow();
}

function show(job) {
  byId("work").hidden = false;
  byId("work-name").textContent = job.name;
  const busy = job.state === "receiving" || job.state === "running";
  const parts = [WORDS[job.state], `${job.elapsed_s.toFixed(0)} s`];
  if (busy && job.tiles) parts.push(`${job.done} of ${job.tiles} tiles`);
  if (busy && job.expected_s) parts.push(`about ${Math.max(job.expected_s, 1).toFixed(0)} s in all once it has begun`);
  byId("work-state").textContent = parts.join(", ");
  const bar = byId("work-bar");
  bar.hidden = !busy;
  if (busy && job.tiles && job.done) [bar.max, bar.value] = [job.tiles, job.done];
  else bar.removeAttribute("value");
  const lines = [...job.notes, ...(job.verdict ? [job.verdict] : []), ...(job.error ? [job.error] : [])];
  byId("work-notes").replaceChildren(
    ...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }),
  );
  byId("stop").hidden = job.state !== "running";
  byId("save").hidden = job.state !== "done" || job.saved.length > 0;
  byId("saved").textContent = job.saved.length ? `Saved: ${job.saved.join(", ")}` : "";
  const result = job.state === "done" ? `/result/${job.number}` : null;
  if (result !== shownResult) {
    shownResult = result;
    byId("result").hidden = byId("own-tab").hidden = !result;
    if (result) byId("result").src = byId("own-tab").href = result;
    else byId("result").removeAttribute("src");
  }
  return busy;
}

// Look how far the work is; return whether it goes on.
async function look() {
  const { job } = await ask("/job");
  return job ? show(job) : false;
}

let following = null;

// Look again and again until the work is over.
function follow() {
  clearTimeout(following);
  const again = async () => {
    try {
      if (await look()) following = setTimeout(again, ASK_MS);
    } catch (problem) {
      complain(problem);
    }
  };
  following = setTimeout(again, ASK_MS);
}

async function save() {
  await ask("/save", { method: "POST" });
  await look();
  const answer = await fetch("/table");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  byId("shelf").replaceChildren(...page.body.childNodes);
}

const drop = byId("drop");
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  choose(event.dataTransfer.files);
});
// A file that misses must not take the place of the page.
for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
byId("file").addEventListener("change", (event) => {
  if (event.target.files.length) choose(event.target.files);
});
for (const input of frames()) {
  input.addEventListener("change", () => attempt(() => hand(input)));
}
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (chosen) attempt(restore);
});
byId("stop").addEventListener("click", () => attempt(async () => {
  await ask("/stop", { method: "POST" });
  await look();
}));
byId("save").addEventListener("click", () => attempt(save));
attempt(async () => {
  if (await look()) follow();
});
