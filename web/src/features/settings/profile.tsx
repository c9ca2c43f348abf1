import { useRef, useState, type FormEvent } from "react";
import { Avatar } from "../../ui/avatar";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { useMediaSource } from "../media/source";
import { useClient, useLive, useScreen } from "../messenger/context";
import { isFailure, sentence } from "../messenger/failure";
import css from "./settings.module.css";

export function ProfileSettings() {
  const client = useClient();
  const { user } = useLive(client.session);
  const say = useScreen((screen) => screen.say);
  const [name, setName] = useState(user?.displayName ?? "");
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const picture = useMediaSource(user?.avatarUrl === undefined ? null : { path: user.avatarUrl });

  async function change(what: { displayName?: string; avatar?: Blob | null }) {
    setBusy(true);
    setError(undefined);
    try {
      await client.session.updateMe(what);
      say("Saved.");
    } catch (failure) {
      if (isFailure(failure) && failure.field === "displayName") setError(sentence(failure));
      else say(sentence(failure));
    } finally {
      setBusy(false);
    }
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    if (name.trim() === "") setError("Enter a name.");
    else void change({ displayName: name.trim() });
  }

  return (
    <form className={css.stack} onSubmit={submit}>
      <div className={css.portrait}>
        <Avatar id={user?.id ?? ""} name={user?.displayName ?? ""} url={picture} size="xl" />
        <div className={css.row}>
          <input
            ref={picker}
            type="file"
            accept="image/png,image/jpeg,image/webp,image/gif"
            hidden
            aria-hidden="true"
            onChange={(event) => {
              const file = event.target.files?.[0];
              event.target.value = "";
              if (file !== undefined) void change({ avatar: file });
            }}
          />
          <Button busy={busy} onClick={() => picker.current?.click()}>
            Choose a picture
          </Button>
          {user?.avatarUrl !== undefined && (
            <Button tone="quiet" busy={busy} onClick={() => void change({ avatar: null })}>
              Remove it
            </Button>
          )}
        </div>
      </div>
      <Field
        label="Display name"
        value={name}
        error={error}
        maxLength={100}
        dir="auto"
        onChange={(event) => {
          setName(event.target.value);
        }}
      />
      <Field label="User name" value={user?.username ?? ""} readOnly dir="ltr" hint="By this name others find you. It can't be changed." />
      <div className={css.end}>
        <Button type="submit" tone="primary" busy={busy}>
          Save
        </Button>
      </div>
    </form>
  );
}
