import type { Route, Trail } from "./screen";

type Entry = { murre: Route; depth: number };

function isEntry(state: unknown): state is Entry {
  return typeof state === "object" && state !== null && "murre" in state && "depth" in state;
}

/** The route as a fragment: the server serves one page, and a reload comes back to the same conversation. */
function fragment(route: Route): string {
  return route.conversationId === null ? "#" : `#c/${encodeURIComponent(route.conversationId)}${route.details ? "/details" : ""}`;
}

export function routeOf(hash: string): Route {
  const [kind, id, page] = hash.replace(/^#/, "").split("/");
  if (kind !== "c" || id === undefined || id === "") return { conversationId: null, details: false };
  try {
    return { conversationId: decodeURIComponent(id), details: page === "details" };
  } catch {
    return { conversationId: null, details: false };
  }
}

/** Ties a screen to the browser's history. */
export function browserTrail(): Trail & { follow(restore: (route: Route) => void): () => void } {
  const depth = () => (isEntry(history.state) ? history.state.depth : 0);
  const url = (route: Route) => location.pathname + location.search + fragment(route);
  return {
    push(route) {
      history.pushState({ murre: route, depth: depth() + 1 } satisfies Entry, "", url(route));
    },
    replace(route) {
      history.replaceState({ murre: route, depth: depth() } satisfies Entry, "", url(route));
    },
    back() {
      if (depth() === 0) return false;
      history.back();
      return true;
    },
    follow(restore) {
      const onPop = () => {
        restore(isEntry(history.state) ? history.state.murre : routeOf(location.hash));
      };
      addEventListener("popstate", onPop);
      return () => {
        removeEventListener("popstate", onPop);
      };
    },
  };
}
