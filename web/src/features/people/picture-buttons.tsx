import { useRef, useState } from "react";
import { Button } from "../../ui/button";
import { useScreen } from "../messenger/context";
import { sentence } from "../messenger/failure";
import css from "./people.module.css";

type PictureButtonsProps = { present: boolean; onChange: (picture: Blob | null) => Promise<unknown> };

/** Chooses the picture of a person or a group, or takes it away. */
export function PictureButtons({ present, onChange }: PictureButtonsProps) {
  const say = useScreen((screen) => screen.say);
  const [busy, setBusy] = useState(false);
  const picker = useRef<HTMLInputElement>(null);

  async function change(picture: Blob | null) {
    setBusy(true);
    try {
      await onChange(picture);
      say(picture === null ? "The picture is gone." : "The picture is saved.");
    } catch (failure) {
      say(sentence(failure));
    } finally {
      setBusy(false);
    }
  }

  return (
    <div className={css.pictureButtons}>
      <input
        ref={picker}
        type="file"
        accept="image/png,image/jpeg,image/webp,image/gif"
        hidden
        aria-hidden="true"
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = "";
          if (file !== undefined) void change(file);
        }}
      />
      <Button busy={busy} onClick={() => picker.current?.click()}>
        Choose a picture
      </Button>
      {present && (
        <Button tone="quiet" busy={busy} onClick={() => void change(null)}>
          Remove it
        </Button>
      )}
    </div>
  );
}
