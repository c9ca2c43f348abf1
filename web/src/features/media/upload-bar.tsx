import type { ClientMessageId, Upload } from "../../sync/api";
import { IconButton } from "../../ui/button";
import { useClient } from "../messenger/context";
import { sizeOf } from "./measures";
import css from "./media.module.css";

/** How far an upload is, and what can be done about it. */
export function UploadBar({ upload, clientMessageId }: { upload: Upload; clientMessageId: ClientMessageId }) {
  const client = useClient();
  const { state, sentBytes, totalBytes } = upload;
  const stopped = state === "paused" || state === "failed";
  const percent = totalBytes === 0 ? 0 : Math.floor((sentBytes / totalBytes) * 100);
  return (
    <div className={css.upload}>
      <div className={css.track} role="progressbar" aria-label="Upload" aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
        <div className={css.bar} style={{ inlineSize: `${percent}%` }} />
      </div>
      <span className={css.uploadWords}>
        {state === "waiting" ? "Waiting" : stopped ? "Stopped" : `${sizeOf(sentBytes)} of ${sizeOf(totalBytes)}`}
      </span>
      {stopped ? (
        <IconButton
          icon="retry"
          label="Go on with the upload"
          onClick={() => {
            client.media.resume(clientMessageId);
          }}
        />
      ) : (
        <IconButton
          icon="close"
          label="Cancel the upload"
          onClick={() => {
            client.media.cancel(clientMessageId);
          }}
        />
      )}
    </div>
  );
}
