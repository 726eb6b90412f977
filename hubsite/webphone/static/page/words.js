/**
 * What a person reads: a sentence for each answer, each state of a door, each end without an answer
 * (docs/protocol.md, "Codes" and "What to show").
 *
 * Laws:
 * 1. "Allowed" is not "open": what the door did is said apart.
 * 2. An end without an answer is never shown as a refusal. Where a request was sent, the door may
 *    have opened, and the sentence says so.
 * 3. Each sentence that can be followed by something to do says what.
 */

import { NoPasskey } from "../key/passkey.js";
import { Why } from "../phone/effects.js";
import { Door, Reason } from "../protocol/codes.js";
import { Away, Told } from "./site.js";

const OF_REASON = new Map([
  [Reason.OK, "Allowed"],
  [Reason.NO_RIGHT, "You have no access here"],
  [Reason.SCHEDULE, "Not at this time"],
  [Reason.GRANT_TIME, "Your access is not valid now: refresh it"],
  [Reason.REVOKED, "Your access was withdrawn"],
  [Reason.NEED_FULL, "Try again"],
  [Reason.CLOCK, "The door does not know the time: call the operator"],
  [Reason.FAULT, "The door has a fault: call the operator"],
  [Reason.BUSY, "Try again"],
  [Reason.OP_CONFLICT, "Try again"],
  [Reason.LOCKED, "Closed by order of the site"],
]);

const OF_DOOR = new Map([
  [Door.UNKNOWN, ""],
  [Door.SECURED, "Closed"],
  [Door.RELEASED, "Push the door"],
  [Door.OPEN, "Open"],
  [Door.HELD_OPEN, "Please close the door"],
  [Door.FORCED, "Open (alarm)"],
  [Door.FAULT, "Out of order"],
]);

const AGAIN = "Touch the button to try again.";
const OTHER_HUB = "That hub does not answer for this door. Choose another one.";

const OF_WHY = new Map([
  [Why.OTHER_VERSION, "This page is too old for the door. Load it again while you are online."],
  [Why.NO_HUB, "That is no door of this kind. Choose another one."],
  [Why.NO_CERTIFICATES, `The door does not answer. ${AGAIN}`],
  [Why.NO_ANSWER, `The door gave no answer. ${AGAIN}`],
  [Why.BUSY, `The door is busy. ${AGAIN}`],
  [Why.LINK_LOST, `The connection was lost. Stay close to the door. ${AGAIN}`],
  [Why.UNTRUSTED, "The door cannot prove what it is. Do not use it, and tell the operator."],
  [Why.OTHER_SITE, "That is a door of another site. Choose another one."],
  [Why.OTHER_HUB, "The door cannot prove what it is. Do not use it, and tell the operator."],
  [Why.HUB_OVER, "The door's certificate is not valid today. Check the date of this phone."],
  [Why.HUB_REVOKED, "The site has withdrawn this door. Do not use it, and tell the operator."],
  [Why.OTHER_DOOR, OTHER_HUB],
  [Why.CLOCK, "The clocks of door and phone differ. Check the time of this phone."],
  [Why.NO_AEAD, "The door has only ciphers that no browser has. Tell the operator."],
  [Why.OTHER_EPOCH, `The door changed its key just now. ${AGAIN}`],
]);

const MAY_BE_OPEN = "The door may have opened.";

/** Return the sentence of a verdict. */
export function wordsOfVerdict({ allowed, reason }) {
  return allowed ? OF_REASON.get(Reason.OK) : OF_REASON.get(reason);
}

/** Return the words of a door's state, "" where there is nothing to say. */
export function wordsOfDoor(door) {
  return OF_DOOR.get(door);
}

/** Return the sentence of an end without an answer. */
export function wordsOfEnd({ why, unknown }) {
  return unknown ? `${MAY_BE_OPEN} ${OF_WHY.get(why)}` : OF_WHY.get(why);
}

/** Tell whether another hub may be the right one: the next touch shall show the chooser. */
export function isOfAnotherHub(why) {
  return [Why.NO_HUB, Why.OTHER_SITE, Why.OTHER_DOOR, Why.OTHER_VERSION].includes(why);
}

/** Tell whether a newer grant may have another verdict (app.js, law 4). */
export function isOfOldGrant({ allowed, reason } = { allowed: true }) {
  return !allowed && [Reason.REVOKED, Reason.GRANT_TIME, Reason.NO_RIGHT].includes(reason);
}

/** Return the sentence for a touch after which no door was chosen (`radio.js`, NotChosen). */
export function wordsOfNobody({ isTooLate, isByName, isOff }) {
  if (isOff) return NO_ADAPTER;
  if (isTooLate) return TOUCH_AGAIN;
  return isByName ? NOT_IN_SIGHT : NOBODY_CHOSEN;
}

/** Return the sentence for what a site or a passkey did wrong; raise what is neither's. */
export function wordsOfTrouble(error, noPasskey) {
  if (error instanceof NoPasskey) return noPasskey;
  if (error instanceof Told) return error.message;
  if (error instanceof Away) return SITE_AWAY;
  throw error;
}

export const CHOOSE = "Choose the door in the list of the browser";
export const PROVE = "Prove to this phone that it is you";
export const LOCKED =
  "The key stayed locked: this phone did not recognise you. Touch the button again.";
const TOUCH_AGAIN = "The browser wants one more touch: touch the button again.";
export const NO_PASSKEY =
  "No passkey was made that can protect the key, and the key is as it was. " +
  "Try another one, or go on without.";
export const NO_PASSKEY_HERE =
  "No passkey was proven that can protect a key in this browser. " +
  "Try again, or ask the site for a new link.";
export const PERHAPS_ANOTHER =
  "Perhaps another browser was connected by your passkey. If that was not you, tell the site.";
export const CONNECTING = "Connecting";
const NOBODY_CHOSEN = "No door was chosen. Is Bluetooth on, and may this browser use it?";
const NO_ADAPTER =
  "This phone's Bluetooth is missing or switched off. Switch it on, then touch the button again.";
const NOT_IN_SIGHT =
  "This door was not chosen. Stay close to it. The next touch lists every door in reach.";
export const NOT_REACHED = `The door was not reached. Stay close to it. ${AGAIN}`;
export const ELSEWHERE =
  "This page is at a door in another tab or window. Wait until it is done, or close it.";
export const FORGOTTEN =
  "This browser has deleted what this page kept, its key and its grant too. " +
  "Connect again by your passkey where this page offers it, or ask the site for a new link.";
export const NO_RADIO =
  "This browser has no Bluetooth for pages. Use Chrome, Edge or Samsung Internet on Android, " +
  "or Chrome or Edge on a computer. Safari and Firefox have none.";
export const NOT_KEPT =
  "This browser may delete what this page keeps. Install the page, or ask for a new grant then.";
export const SITE_AWAY = "The site's server does not answer. Open this page again later.";
export const renames = ({ before, after }) =>
  `This grant calls the door “${before}” by another name: “${after}”. ` +
  "Take it only if you expected that.";
export const GRANT_OVER =
  "Your grant is over. Check the date of this phone. If it is right, ask for a new grant.";
export const OTHER_SITE =
  "This grant is of another site or issuer than yours. Take it only if you expected that.";
