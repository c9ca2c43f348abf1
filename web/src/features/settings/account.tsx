import { useState, type FormEvent } from "react";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { useClient, useScreen } from "../messenger/context";
import { isFailure, sentence } from "../messenger/failure";
import css from "./settings.module.css";

export function AccountSettings() {
  const client = useClient();
  const say = useScreen((screen) => screen.say);
  const show = useScreen((screen) => screen.show);
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [wrong, setWrong] = useState<{ current?: string; next?: string }>({});
  const [busy, setBusy] = useState(false);

  async function changePassword(event: FormEvent) {
    event.preventDefault();
    if ([...next].length < 10) {
      setWrong({ next: "At least 10 characters." });
      return;
    }
    setBusy(true);
    setWrong({});
    try {
      await client.session.changePassword(current, next);
      setCurrent("");
      setNext("");
      say("The password is changed. Other sessions were signed out.");
    } catch (error) {
      if (isFailure(error) && error.code === "UNAUTHENTICATED") setWrong({ current: "That isn't your password." });
      else if (isFailure(error) && error.code === "VALIDATION_ERROR") setWrong({ next: sentence(error) });
      else say(sentence(error));
    } finally {
      setBusy(false);
    }
  }

  async function signOut(everywhere: boolean) {
    setBusy(true);
    try {
      await client.session.logout({ everywhere });
      show(null);
    } catch (error) {
      say(sentence(error));
      setBusy(false);
    }
  }

  return (
    <div className={css.stack}>
      <form className={css.stack} onSubmit={(event) => void changePassword(event)}>
        <h3 className={css.legend}>Change the password</h3>
        <Field
          label="Present password"
          type="password"
          autoComplete="current-password"
          value={current}
          error={wrong.current}
          onChange={(event) => {
            setCurrent(event.target.value);
          }}
        />
        <Field
          label="New password"
          type="password"
          autoComplete="new-password"
          value={next}
          error={wrong.next}
          onChange={(event) => {
            setNext(event.target.value);
          }}
        />
        <div className={css.end}>
          <Button type="submit" busy={busy}>
            Change password
          </Button>
        </div>
      </form>
      <h3 className={css.legend}>Sign out</h3>
      <p className={css.note}>What this device keeps of your messages is removed, unsent ones too.</p>
      <div className={css.row}>
        <Button tone="danger" busy={busy} onClick={() => void signOut(false)}>
          Sign out
        </Button>
        <Button busy={busy} onClick={() => void signOut(true)}>
          Sign out everywhere
        </Button>
      </div>
    </div>
  );
}
