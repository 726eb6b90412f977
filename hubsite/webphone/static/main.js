/**
 * Starts the page: joins what a person touches to what the page does.
 *
 * Law: nothing is decided here.
 */

import { App } from "./page/app.js";
import { followVersions } from "./page/versions.js";

const app = new App(document);

function at(id) {
  return document.getElementById(id);
}

at("open").addEventListener("click", () => app.open());
at("door").addEventListener("change", () => app.doorChosen());
at("take-grant").addEventListener("submit", (event) => {
  event.preventDefault();
  app.offer(at("grant-text").value);
});
at("protect-key").addEventListener("click", () => app.protect());
at("come-back-now").addEventListener("click", () => app.comeBack());
at("other-site-yes").addEventListener("click", () => app.offer(app.offered, { isSure: true }));
window.addEventListener("hashchange", () => app.takeAddress(location.href));

await app.start();
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") app.renewGrant();
});
document.documentElement.dataset.ready = "yes";
await followVersions(() => app.screen.show("new-version", true));
