import { useState, type KeyboardEvent } from "react";
import type { MessageView } from "../../sync/api";
import { IconButton } from "../../ui/button";
import { Layer } from "../../ui/overlay";
import { useBlobUrl, useMediaSource } from "./source";
import css from "./media.module.css";

/** One picture over everything; a click or Enter turns between fitting and its true size. */
export default function Lightbox({ message, onClose }: { message: MessageView; onClose: () => void }) {
  const { media } = message;
  const local = useBlobUrl(message.upload?.blob);
  const stored = useMediaSource(media !== undefined && media.url !== "" ? media.id : null);
  const [large, setLarge] = useState(false);
  const source = stored ?? local;
  const name = media?.name.slice(0, 200) ?? "";
  function onKeyDown(event: KeyboardEvent) {
    if (event.key === "+" || event.key === "-") setLarge(event.key === "+");
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
          <IconButton icon="close" label="Close" className={css.lightboxClose} onClick={onClose} />
        </header>
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
    </Layer>
  );
}
