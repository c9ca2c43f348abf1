import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import type { MessageView } from "../../sync/api";
import { IconButton } from "../../ui/button";
import { Layer } from "../../ui/overlay";
import { useClient } from "../messenger/context";
import { useBlobUrl, useMediaSource } from "./source";
import css from "./media.module.css";

type Side = "older" | "newer";

/** So many px a finger goes sideways for the next picture. */
const swipe = 60;

/** A picture over everything; a click or Enter turns between fitting and its true size, arrows and swipes lead to the next ones. */
export default function Lightbox({ message: first, onClose }: { message: MessageView; onClose: () => void }) {
  const [message, setMessage] = useState(first);
  const [large, setLarge] = useState(false);
  const beside = useBeside(message);
  const down = useRef<{ x: number; y: number }>(undefined);
  const { media } = message;
  const local = useBlobUrl(message.upload?.blob);
  const stored = useMediaSource(media !== undefined && media.url !== "" ? media.id : null);
  const source = stored ?? local;
  const name = media?.name.slice(0, 200) ?? "";

  function go(side: Side) {
    const next = beside[side];
    if (next === undefined) return;
    setMessage(next);
    setLarge(false);
  }

  /** Time runs as the text does. */
  function sideOf(towardsRight: boolean, element: Element): Side {
    return towardsRight === (getComputedStyle(element).direction === "ltr") ? "newer" : "older";
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === "+" || event.key === "-") setLarge(event.key === "+");
    else if (!large && (event.key === "ArrowLeft" || event.key === "ArrowRight")) go(sideOf(event.key === "ArrowRight", event.currentTarget));
  }

  function onPointerUp(event: PointerEvent) {
    const from = down.current;
    down.current = undefined;
    if (from === undefined || large) return;
    const aside = event.clientX - from.x;
    if (Math.abs(aside) < swipe || Math.abs(aside) < 2 * Math.abs(event.clientY - from.y)) return;
    // The page follows the finger: what lies to the right comes when it goes to the left.
    go(sideOf(aside < 0, event.currentTarget));
  }

  return (
    <Layer onClose={onClose}>
      {/* The keys come from the buttons inside. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div className={css.lightbox} role="dialog" aria-modal="true" aria-label={`Photo ${name}`} onKeyDown={onKeyDown}>
        <header className={css.lightboxHead}>
          <bdi dir="auto" className={css.lightboxName}>
            {name}
          </bdi>
          {source !== undefined && (
            <a className={css.lightboxSave} href={source} download={name} rel="noopener">
              Save
            </a>
          )}
          <IconButton icon="close" label="Close" data-autofocus="" className={css.lightboxButton} onClick={onClose} />
        </header>
        <div
          className={css.lightboxBody}
          onPointerDown={(event) => {
            down.current = event.pointerType === "touch" && event.isPrimary ? { x: event.clientX, y: event.clientY } : undefined;
          }}
          onPointerUp={onPointerUp}
          onPointerCancel={() => {
            down.current = undefined;
          }}
        >
          {(["older", "newer"] as const).map(
            (side) =>
              beside[side] !== undefined && (
                <IconButton
                  key={side}
                  icon={side === "older" ? "back" : "forward"}
                  label={side === "older" ? "Picture before" : "Next picture"}
                  className={[css.lightboxButton, css[side]].join(" ")}
                  onClick={() => {
                    go(side);
                  }}
                />
              ),
          )}
          {/* What can scroll must take the focus, so that arrow keys move it. */}
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <div className={[css.stage, large ? css.stageLarge : ""].join(" ")} tabIndex={large ? 0 : undefined}>
            {source !== undefined && (
              <button
                type="button"
                className={css.lightboxPicture}
                aria-label={large ? "Fit to the screen" : "True size"}
                onClick={() => {
                  setLarge(!large);
                }}
              >
                <img src={source} alt={message.content.slice(0, 200) || name} draggable={false} />
              </button>
            )}
          </div>
        </div>
      </div>
    </Layer>
  );
}

/** The pictures of the conversation on either side, as far as it is on this device. */
function useBeside({ conversationId, id }: MessageView): Partial<Record<Side, MessageView>> {
  const client = useClient();
  const [found, setFound] = useState<{ id: string; views: Partial<Record<Side, MessageView>> }>();
  useEffect(() => {
    if (id === undefined) return;
    let current = true;
    const look = (side: Side) => client.messages.pictureBeside(conversationId, id, side);
    Promise.all([look("older"), look("newer")]).then(
      ([older, newer]) => {
        if (current) setFound({ id, views: { ...(older ? { older } : {}), ...(newer ? { newer } : {}) } });
      },
      () => undefined, // a closed storage: the one picture is shown all the same
    );
    return () => {
      current = false;
    };
  }, [client, conversationId, id]);
  return found !== undefined && found.id === id ? found.views : {};
}
