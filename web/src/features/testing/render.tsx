import { cleanup, render } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach } from "vitest";
import type { ConversationId } from "../../sync/api";
import { OverlayHost } from "../../ui/overlay";
import { MessengerContext } from "../messenger/context";
import { createScreen } from "../messenger/screen";
import type { scriptedClient } from "./scripted-client";

afterEach(cleanup);

// jsdom lays nothing out: what the components ask of a layout is answered as by a page that shows nothing.
class NoObserver {
  observe() {}
  unobserve() {}
  disconnect() {}
  takeRecords() {
    return [];
  }
}
Object.assign(globalThis, { ResizeObserver: NoObserver, IntersectionObserver: NoObserver });
globalThis.matchMedia ??= (media) =>
  ({
    media,
    matches: media.includes("hover: hover"),
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }) as unknown as MediaQueryList;

/** Renders a part of the messenger inside what every part expects around it. */
export function renderPart(part: ReactNode, script: ReturnType<typeof scriptedClient>, conversationId: ConversationId | null = null) {
  const screen = createScreen({ conversationId, details: false });
  const view = render(
    <MessengerContext value={{ client: script.client, screen }}>
      <OverlayHost>{part}</OverlayHost>
    </MessengerContext>,
  );
  return { ...view, screen };
}
