import { useState } from "react";
import type { Media, MessageView } from "../../sync/api";
import { Icon } from "../../ui/icon";
import { useClient, useScreen } from "../messenger/context";
import { sentence } from "../messenger/failure";
import { box, sizeOf } from "./measures";
import { useBlobUrl, useMediaSource } from "./source";
import { UploadBar } from "./upload-bar";
import css from "./media.module.css";

/** What hangs on a message: a picture, a film, or a file. */
export function MessageMedia({ message }: { message: MessageView }) {
  const { media, upload } = message;
  if (media === undefined && upload === undefined) return null;
  const moving = upload !== undefined && upload.state !== "done" && message.state !== "received";
  return (
    <div className={css.media}>
      {media !== undefined && message.contentType === "image" ? (
        <Picture message={message} media={media} />
      ) : media !== undefined && message.contentType === "video" ? (
        <Film media={media} blob={upload?.blob ?? null} />
      ) : (
        <FileCard media={media} blob={upload?.blob ?? null} />
      )}
      {moving && message.clientMessageId !== undefined && <UploadBar upload={upload} clientMessageId={message.clientMessageId} />}
    </div>
  );
}

/** First the small version, blurred and at the right size, then the picture itself over it. */
function Picture({ message, media }: { message: MessageView; media: Media }) {
  const show = useScreen((screen) => screen.show);
  const local = useBlobUrl(message.upload?.blob);
  const stored = media.url !== "" && local === undefined;
  const thumb = useMediaSource(stored && media.thumbUrl !== undefined ? media.id : null, "thumb");
  const full = useMediaSource(stored ? media.id : null);
  const [loaded, setLoaded] = useState(false);
  const source = local ?? full;
  return (
    <button
      type="button"
      className={css.frame}
      style={box(media)}
      aria-label={`Open the photo ${media.name.slice(0, 80)}`}
      onClick={() => {
        show({ kind: "lightbox", message });
      }}
    >
      {thumb !== undefined && !loaded && <img src={thumb} alt="" className={[css.fill, css.blurred].join(" ")} draggable={false} />}
      {source !== undefined && (
        <img
          src={source}
          alt=""
          className={[css.fill, css.sharp, loaded ? css.shown : ""].join(" ")}
          decoding="async"
          draggable={false}
          onLoad={() => {
            setLoaded(true);
          }}
        />
      )}
    </button>
  );
}

/** Nothing of a film is fetched before somebody wants to see it, but for its first picture. */
function Film({ media, blob }: { media: Media; blob: Blob | null }) {
  const [wanted, setWanted] = useState(false);
  const local = useBlobUrl(blob);
  const stored = media.url !== "" && local === undefined;
  const thumb = useMediaSource(stored && media.thumbUrl !== undefined ? media.id : null, "thumb");
  const full = useMediaSource(wanted && stored ? media.id : null);
  const source = local ?? full;
  if (wanted && source !== undefined) {
    return (
      // What people send each other has no subtitles to show.
      // eslint-disable-next-line jsx-a11y/media-has-caption
      <video className={css.film} src={source} poster={thumb} controls autoPlay playsInline aria-label={media.name.slice(0, 80)} />
    );
  }
  return (
    <button
      type="button"
      className={css.frame}
      style={box(media)}
      aria-label={`Play the video ${media.name.slice(0, 80)}`}
      aria-busy={wanted}
      onClick={() => {
        setWanted(true);
      }}
    >
      {thumb !== undefined && <img src={thumb} alt="" className={css.fill} draggable={false} />}
      <span className={css.play}>
        <Icon name="play" size={30} />
      </span>
    </button>
  );
}

function FileCard({ media, blob }: { media: Media | undefined; blob: Blob | null }) {
  const client = useClient();
  const say = useScreen((screen) => screen.say);
  const [busy, setBusy] = useState(false);
  if (media === undefined) return null;
  const { id, name } = media;

  async function save() {
    setBusy(true);
    try {
      const source = blob === null ? await client.media.source(id) : { url: URL.createObjectURL(blob), release: () => undefined };
      const link = document.createElement("a");
      link.href = source.url;
      link.download = name;
      link.rel = "noopener";
      link.click();
      // The browser has taken the address by the time it handles the next event.
      setTimeout(source.release, 10_000);
    } catch (error) {
      say(sentence(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <button
      type="button"
      className={css.file}
      aria-busy={busy}
      aria-label={`Save the file ${name.slice(0, 80)}`}
      onClick={() => void save()}
    >
      <span className={css.fileIcon}>
        <Icon name="file" size={24} />
      </span>
      <span className={css.fileWords}>
        <bdi dir="auto" className={css.fileName}>
          {name.slice(0, 200)}
        </bdi>
        <bdi className={css.fileSize}>{sizeOf(media.size)}</bdi>
      </span>
      <Icon name="download" size={20} />
    </button>
  );
}
