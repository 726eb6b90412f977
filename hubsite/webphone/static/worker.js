/**
 * The service worker: keeps the page's files, and answers with them, network or not.
 *
 * Laws:
 * 1. A version is kept whole or not at all, under its own name.
 * 2. Old versions go when the new one takes over, which is when no page of theirs is open.
 * 3. It answers for the files of the page alone. It sees no key and no grant: a grant in a link is
 *    in the part of the address that no server and no worker gets.
 */

import { FILES, VERSION } from "./cached.js";

const PREFIX = "hub-phone-";
const NAME = PREFIX + VERSION;
const PAGE = "index.html";

self.addEventListener("install", (event) => {
  event.waitUntil(keepAll());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(dropOthers());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const isOurs = request.url.startsWith(self.registration.scope);
  if (request.method === "GET" && isOurs) event.respondWith(answer(request));
});

async function keepAll() {
  const cache = await caches.open(NAME);
  await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
}

async function dropOthers() {
  const names = await caches.keys();
  const others = names.filter((name) => name.startsWith(PREFIX) && name !== NAME);
  await Promise.all(others.map((name) => caches.delete(name)));
}

async function answer(request) {
  const cache = await caches.open(NAME);
  const wanted = request.mode === "navigate" ? PAGE : request;
  return (await cache.match(wanted, { ignoreSearch: true })) ?? fetch(request);
}
