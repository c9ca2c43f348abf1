// @vitest-environment jsdom
import { fireEvent, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import type { MessageView } from "../../sync/api";
import { renderPart } from "../testing/render";
import { message, scriptedClient } from "../testing/scripted-client";
import Lightbox from "./lightbox";

const pictures = [1, 2, 3].map((n): MessageView => ({
  ...message(n, { mine: false }),
  contentType: "image",
  media: { id: `m${n}`, url: `/m${n}`, name: `photo ${n}.png`, size: 1, contentType: "image/png" },
}));

function setup(at: number) {
  const script = scriptedClient();
  script.client.messages.pictureBeside = (_conversation, id, side) => {
    const index = pictures.findIndex((one) => one.id === id);
    return Promise.resolve(pictures[index + (side === "older" ? -1 : 1)]);
  };
  const onClose = vi.fn();
  renderPart(
    <Lightbox message={pictures[at]!} onClose={onClose} />,
    script,
  );
  return onClose;
}

const shows = (n: number) => screen.findByRole("dialog", { name: `Photo photo ${n}.png` });

describe("a picture over everything", () => {
  it("leads to the pictures before and behind it, and no further", async () => {
    setup(1);
    await shows(2);
    await userEvent.click(await screen.findByRole("button", { name: "Next picture" }));
    await shows(3);
    await waitFor(() => {
      expect(screen.getByRole("button", { name: "Picture before" })).toBeTruthy();
    });
    expect(screen.queryByRole("button", { name: "Next picture" })).toBeNull();
    await userEvent.click(screen.getByRole("button", { name: "Picture before" }));
    await shows(2);
  });

  it("follows the arrow keys", async () => {
    setup(1);
    const dialog = await shows(2);
    await screen.findByRole("button", { name: "Next picture" });
    fireEvent.keyDown(dialog, { key: "ArrowLeft" });
    await shows(1);
    await screen.findByRole("button", { name: "Next picture" });
    fireEvent.keyDown(dialog, { key: "ArrowRight" });
    await shows(2);
    await screen.findByRole("button", { name: "Picture before" });
    const button = await screen.findByRole("button", { name: "Close" });
    fireEvent.keyDown(button, { key: "ArrowRight" });
    await shows(3);
  });

  it("closes", async () => {
    const onClose = setup(0);
    await userEvent.click(await screen.findByRole("button", { name: "Close" }));
    expect(onClose).toHaveBeenCalled();
  });
});
