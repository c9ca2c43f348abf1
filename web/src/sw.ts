/// <reference lib="webworker" />
// The offline shell: the page and its assets are kept by the browser, so that Murre opens without a network. Nothing of the
// API is ever kept here: messages live in IndexedDB, where signing out removes them.
export {};

declare const self: ServiceWorkerGlobalScope;
/** Filled in by the build: a name for this set of files, and their paths. */
declare const __SHELL__: { version: string; files: string[] };

const shell = __SHELL__;
const prefix = "murre-shell-";
const name = prefix + shell.version;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(name)
      .then((cache) => cache.addAll(shell.files.map((path) => new Request(path, { cache: "reload" }))))
      .then(() => self.skipWaiting()),
  );
});

// One older shell stays: a tab that runs it may still load a part that it hasn't needed so far.
self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((keys) => keys.filter((key) => key.startsWith(prefix) && key !== name).slice(0, -1))
      .then((old) => Promise.all(old.map((key) => caches.delete(key))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") {
    if (url.pathname === "/") event.respondWith(kept(new Request("/")));
    return;
  }
  if (shell.files.includes(url.pathname) || url.pathname.startsWith("/assets/")) event.respondWith(kept(request));
});

async function kept(request: Request): Promise<Response> {
  // The same file whatever the request's headers: a server may say that its answers vary by them.
  const options = { ignoreVary: true };
  const current = await (await caches.open(name)).match(request, options);
  return current ?? (await caches.match(request, options)) ?? fetch(request);
}
