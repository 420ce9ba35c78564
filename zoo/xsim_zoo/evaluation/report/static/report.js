"use strict";

// The slider takes its pictures from the cards of the page, so each is stored once.
class Slider {
  constructor(root) {
    this.root = root;
    this.stage = root.querySelector(".stage");
    this.dividers = [...root.querySelectorAll(".divider")];
    this.images = root.querySelector(".images");
    this.restorers = root.querySelector(".restorers");
    this.cards = [...document.querySelectorAll(".card")];
    this.at = [33, 67];
    this.cards.forEach((card, index) => {
      this.images.add(new Option(card.querySelector("h4").textContent, index));
      card.querySelector("h4").after(this.opener(index));
    });
    this.images.addEventListener("change", () => this.chooseImage());
    this.restorers.addEventListener("change", () => this.chooseRestorer());
    root.querySelector(".zoom").addEventListener("change", (event) => this.resize(event.target.value));
    this.stage.addEventListener("pointerdown", (event) => this.grab(event));
    this.dividers.forEach((divider, which) => {
      divider.addEventListener("keydown", (event) => this.press(event, which));
    });
    root.hidden = false;
    this.chooseImage();
    this.move(0, this.at[0]);
    this.move(1, this.at[1]);
  }

  // Each card can be taken to the slider.
  opener(index) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Compare";
    button.addEventListener("click", () => {
      this.images.value = index;
      this.chooseImage();
      this.root.scrollIntoView();
      this.dividers[0].focus({ preventScroll: true });
    });
    return button;
  }

  tiles(role) {
    return [...this.cards[this.images.value].querySelectorAll(`.tile[data-role="${role}"]`)];
  }

  chooseImage() {
    const kept = this.restorers.value;
    const names = this.tiles("restored").map((tile) => tile.dataset.name);
    this.restorers.replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(kept)) this.restorers.value = kept;
    for (const role of ["lr", "hr"]) {
      this.stage.querySelector(`img.${role}`).src = this.tiles(role)[0].querySelector("img").src;
    }
    this.chooseRestorer();
  }

  chooseRestorer() {
    const tile = this.tiles("restored")[Math.max(this.restorers.selectedIndex, 0)];
    const image = this.stage.querySelector("img.restored");
    image.src = tile.querySelector("img").src;
    image.alt = tile.dataset.name;
    this.stage.querySelector(".strip.restored span").textContent = tile.dataset.name;
    const details = this.cards[this.images.value].querySelector(".detail").textContent;
    const scores = tile.querySelector(".scores").textContent;
    this.root.querySelector(".reading").textContent = `${tile.dataset.name}: ${scores}. ${details}`;
  }

  resize(scale) {
    const image = this.stage.querySelector("img.hr");
    this.stage.style.width = scale ? `${image.naturalWidth * Number(scale)}px` : "";
  }

  move(which, percent) {
    const held = Math.min(100, Math.max(0, percent));
    this.at[which] = held;
    // A divider that meets the other takes it along.
    if (this.at[0] > this.at[1]) this.at[1 - which] = held;
    this.dividers.forEach((divider, index) => {
      this.stage.style.setProperty(["--first", "--second"][index], `${this.at[index]}%`);
      divider.setAttribute("aria-valuenow", Math.round(this.at[index]));
      divider.setAttribute("aria-valuetext", `${Math.round(this.at[index])} % of the width`);
    });
  }

  grab(event) {
    const percentOf = (pointer) => {
      const box = this.stage.getBoundingClientRect();
      return (100 * (pointer.clientX - box.left)) / box.width;
    };
    const start = percentOf(event);
    const which = this.nearest(start);
    const follow = (pointer) => this.move(which, percentOf(pointer));
    this.stage.setPointerCapture(event.pointerId);
    this.stage.addEventListener("pointermove", follow);
    this.stage.addEventListener("lostpointercapture", () => this.stage.removeEventListener("pointermove", follow), {
      once: true,
    });
    this.dividers[which].focus({ preventScroll: true });
    event.preventDefault();
    follow(event);
  }

  // Of two dividers in one place, the one that has the more room is taken, so that they part again.
  nearest(percent) {
    const [first, second] = this.at.map((at) => Math.abs(percent - at));
    return first === second ? Number(this.at[0] < 50) : Number(second < first);
  }

  press(event, which) {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
    const ends = { Home: 0, End: 100 };
    if (event.key in steps) this.move(which, this.at[which] + steps[event.key]);
    else if (event.key in ends) this.move(which, ends[event.key]);
    else return;
    event.preventDefault();
  }
}

// The contents mark the section that is being read.
function followReading() {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((item) => item.isIntersecting)) {
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id).setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-20% 0px -70% 0px" },
  );
  for (const section of document.querySelectorAll("section")) observer.observe(section);
}

// The numbers can be saved from the page itself, should its files have been left behind.
function offerNumbers() {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Save the numbers as JSON";
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    const text = document.getElementById("numbers").textContent;
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "evaluation.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  document.querySelector("#files .blocks").append(button);
}

for (const root of document.querySelectorAll(".slider")) new Slider(root);
followReading();
offerNumbers();
