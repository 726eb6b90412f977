/**
 * The versions of the page: a service worker keeps one whole, so that it opens with no network.
 *
 * Laws:
 * 1. A page is of one version; never is a new script beside an old one.
 * 2. A new version waits until no page of the old one is open. The person is told that it is there.
 */

/** Register the worker; call `tell` when a newer version is ready. */
export async function followVersions(tell) {
  if (navigator.serviceWorker === undefined) return;
  const registered = await navigator.serviceWorker.register("worker.js", { type: "module" });
  if (registered.waiting !== null) tell();
  registered.addEventListener("updatefound", () => {
    const coming = registered.installing;
    coming.addEventListener("statechange", () => {
      const isNewer = navigator.serviceWorker.controller !== null;
      if (coming.state === "installed" && isNewer) tell();
    });
  });
}
