// @vitest-environment jsdom
import { cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { later } from "./later";

function Part({ word }: { word: string }) {
  return <p>{word}</p>;
}

describe("a part that is read later", () => {
  beforeEach(() => {
    vi.spyOn(console, "error").mockImplementation(() => undefined); // React tells of what was caught
  });
  afterEach(() => {
    cleanup();
    vi.restoreAllMocks();
  });

  /** Fails as often as it is told to. */
  function load(failures: number) {
    let tries = 0;
    return () => (tries++ < failures ? Promise.reject(new TypeError("Failed to fetch")) : Promise.resolve({ default: Part }));
  }

  it("is shown when it is there", async () => {
    const Late = later(load(0), { waiting: <p>one moment</p> });
    render(<Late word="here" />);
    expect(screen.getByText("one moment")).toBeTruthy();
    expect(await screen.findByText("here")).toBeTruthy();
  });

  it("says that it couldn't be read, leaves the rest alone, and can be tried again", async () => {
    const Late = later(load(2));
    render(
      <>
        <p>the rest</p>
        <Late word="here" />
      </>,
    );
    for (let i = 0; i < 2; i++) {
      expect((await screen.findByRole("alert")).textContent).toContain("couldn’t be loaded");
      expect(screen.getByText("the rest")).toBeTruthy();
      await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    }
    expect(await screen.findByText("here")).toBeTruthy();
  });

  it("is tried anew when it is shown the next time", async () => {
    const Late = later(load(1), { failed: ({ word }) => <p>no {word}</p> });
    const first = render(<Late word="here" />);
    expect(await screen.findByText("no here")).toBeTruthy();
    first.unmount();
    render(<Late word="here" />);
    expect(await screen.findByText("here")).toBeTruthy();
  });
});
