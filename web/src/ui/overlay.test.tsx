// @vitest-environment jsdom
import { cleanup, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Dialog } from "./dialog";
import { Menu } from "./menu";
import { OverlayHost } from "./overlay";

afterEach(cleanup);

function Page() {
  const [open, setOpen] = useState(false);
  const [second, setSecond] = useState(false);
  return (
    <OverlayHost>
      <button
        type="button"
        onClick={() => {
          setOpen(true);
        }}
      >
        Open
      </button>
      {open && (
        <Dialog
          title="First"
          onClose={() => {
            setOpen(false);
          }}
        >
          <button
            type="button"
            onClick={() => {
              setSecond(true);
            }}
          >
            More
          </button>
        </Dialog>
      )}
      {second && (
        <Dialog
          title="Second"
          onClose={() => {
            setSecond(false);
          }}
        >
          text
        </Dialog>
      )}
    </OverlayHost>
  );
}

describe("a dialog", () => {
  it("takes the focus, makes the rest inert, closes with Escape and gives the focus back", async () => {
    render(<Page />);
    const opener = screen.getByRole("button", { name: "Open" });
    await userEvent.click(opener);
    expect(screen.getByRole("dialog", { name: "First" }).contains(document.activeElement)).toBe(true);
    expect(opener.closest("[inert]")).not.toBeNull();
    await userEvent.keyboard("{Escape}");
    expect(screen.queryByRole("dialog")).toBeNull();
    await waitFor(() => {
      expect(document.activeElement).toBe(opener);
    });
    expect(opener.closest("[inert]")).toBeNull();
  });

  it("stands over another one, and Escape closes the upper first", async () => {
    render(<Page />);
    await userEvent.click(screen.getByRole("button", { name: "Open" }));
    await userEvent.click(screen.getByRole("button", { name: "More" }));
    expect(screen.getByText("First").closest("[inert]")).not.toBeNull();
    await userEvent.keyboard("{Escape}");
    expect(screen.queryByText("Second")).toBeNull();
    expect(screen.getByText("First").closest("[inert]")).toBeNull();
  });
});

describe("a menu", () => {
  it("is walked through by arrows and first letters, and acts once", async () => {
    const select = vi.fn();
    const close = vi.fn();
    render(
      <OverlayHost>
        <Menu
          label="Things"
          at={{ x: 0, y: 0 }}
          onClose={close}
          items={["Reply", "Copy", "Edit"].map((label) => ({
            label,
            icon: "copy",
            onSelect: () => {
              select(label);
            },
          }))}
        />
      </OverlayHost>,
    );
    const focused = () => document.activeElement?.textContent;
    expect(focused()).toBe("Reply");
    await userEvent.keyboard("{ArrowUp}");
    expect(focused()).toBe("Edit");
    await userEvent.keyboard("{ArrowDown}{ArrowDown}");
    expect(focused()).toBe("Copy");
    await userEvent.keyboard("e");
    expect(focused()).toBe("Edit");
    await userEvent.keyboard("{Enter}");
    expect(select.mock.calls).toEqual([["Edit"]]);
    expect(close).toHaveBeenCalledOnce();
  });
});
