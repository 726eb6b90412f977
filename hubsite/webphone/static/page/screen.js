/**
 * What the page shows: one place for each thing, and only text is ever written into it.
 *
 * Laws:
 * 1. No word that came from elsewhere becomes markup: everything is `textContent`.
 * 2. A verdict is shown by colour, by a word and by vibration, never by colour alone.
 * 3. A state of a door that lasts no longer than a moment is taken off after SHOWN_SECONDS.
 * 4. Verdicts and ends are in a live region: a screen reader says them.
 */

import { Door } from "../protocol/codes.js";
import { wordsOfDoor, wordsOfEnd, wordsOfVerdict } from "./words.js";

export const SHOWN_SECONDS = 8;

const YES = [80];
const NO = [60, 60, 60];
const UNSURE = [200];
const MOMENTARY = [Door.RELEASED, Door.OPEN];

export class Screen {
  constructor(document) {
    this.document = document;
    this.timer = null;
  }

  at(id) {
    return this.document.getElementById(id);
  }

  /** Show what is going on; nothing is decided yet. */
  working(words) {
    this.answer("working", words, "");
  }

  /** Show a verdict, and the state of the door that it tells. */
  verdict(verdict) {
    navigator.vibrate?.(verdict.allowed ? YES : NO);
    this.answer(verdict.allowed ? "yes" : "no", wordsOfVerdict(verdict), "");
    this.door(verdict.door);
  }

  /** Show what the door does. */
  door(door) {
    this.at("door-state").textContent = wordsOfDoor(door);
    clearTimeout(this.timer);
    if (!MOMENTARY.includes(door)) return;
    this.timer = setTimeout(() => {
      this.at("door-state").textContent = "";
    }, SHOWN_SECONDS * 1000);
  }

  /** Show an end without an answer; it is no refusal. */
  ended(end) {
    navigator.vibrate?.(UNSURE);
    this.answer("unsure", "No answer", wordsOfEnd(end));
  }

  /** Show what went wrong before anything was asked. */
  trouble(words) {
    this.answer("unsure", "Not asked", words);
  }

  answer(kind, word, more) {
    this.at("answer").dataset.kind = kind;
    this.at("answer-word").textContent = word;
    this.at("answer-more").textContent = more;
    this.at("door-state").textContent = "";
  }

  /** Offer the doors of a grant, `Map` of access point to name; `chosen` null: as it was. */
  doors(doors, chosen) {
    const selected = chosen ?? this.chosenDoor();
    const options = Array.from(doors, ([point, name]) => {
      const option = this.document.createElement("option");
      option.value = String(point);
      option.textContent = name;
      option.selected = point === selected;
      return option;
    });
    this.at("door").replaceChildren(...options);
  }

  /** Return the access point that is chosen. */
  chosenDoor() {
    return Number(this.at("door").value);
  }

  /** Show one of the page's parts or hide it. */
  show(id, isShown) {
    this.at(id).hidden = !isShown;
  }

  say(id, words) {
    this.at(id).textContent = words;
    this.at(id).hidden = words === "";
  }

  /** Open the part where a grant is taken, and say that there is none; or close it. */
  enrolling(isOpen) {
    this.show("no-grant", isOpen);
    this.at("enrolment").open = isOpen;
  }

  /** While a visit lasts, nothing else can be begun. */
  busy(isBusy) {
    this.at("open").disabled = isBusy;
  }
}
