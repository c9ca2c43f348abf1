import { useState, type FormEvent } from "react";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { Name } from "../../ui/name";
import { useClient, useLive } from "../messenger/context";
import { isFailure, sentence } from "../messenger/failure";
import css from "./auth-screen.module.css";

type Mode = "login" | "register";
type Fields = Partial<Record<"username" | "displayName" | "password", string>>;

/** What the server would refuse anyway, said before asking it. */
export function check(mode: Mode, username: string, password: string): Fields {
  const wrong: Fields = {};
  if (username === "") wrong.username = "Enter a user name.";
  else if (mode === "register" && !/^[a-z0-9_.]{3,32}$/.test(username)) wrong.username = "3 to 32 of a–z, 0–9, _ and .";
  if (password === "") wrong.password = "Enter a password.";
  else if (mode === "register" && [...password].length < 10) wrong.password = "At least 10 characters.";
  return wrong;
}

export function AuthScreen() {
  const client = useClient();
  const { state, user } = useLive(client.session);
  const [mode, setMode] = useState<Mode>("login");
  const [username, setUsername] = useState(user?.username ?? "");
  const [displayName, setDisplayName] = useState("");
  const [password, setPassword] = useState("");
  const [fields, setFields] = useState<Fields>({});
  const [failure, setFailure] = useState<string>();
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const wrong = check(mode, username, password);
    setFields(wrong);
    setFailure(undefined);
    if (Object.keys(wrong).length > 0) return;
    setBusy(true);
    try {
      if (mode === "login") await client.session.login(username, password);
      else await client.session.register(username, password, displayName.trim() === "" ? undefined : displayName.trim());
    } catch (error) {
      const at = atFields(error);
      if (Object.keys(at).length > 0) setFields(at);
      else setFailure(sentence(error));
    } finally {
      setBusy(false);
    }
  }

  function turn(next: Mode) {
    setMode(next);
    setFields({});
    setFailure(undefined);
  }

  const registering = mode === "register";
  return (
    <main className={css.screen}>
      <form className={css.card} onSubmit={(event) => void submit(event)} noValidate aria-labelledby="auth-title">
        <img src="/icon.svg" alt="" width={64} height={64} className={css.mark} />
        <h1 id="auth-title" className={css.title}>
          {registering ? "Create an account" : "Sign in to Murre"}
        </h1>
        {state === "expired" && user !== null && (
          <p className={css.notice} role="status">
            You were signed out, <Name>{user.displayName}</Name>. What you wrote is kept and will be sent once you are back.
          </p>
        )}
        <Field
          label="User name"
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          autoCorrect="off"
          spellCheck={false}
          dir="ltr"
          required
          value={username}
          error={fields.username}
          hint={registering ? "3 to 32 of a–z, 0–9, _ and ." : undefined}
          onChange={(event) => {
            setUsername(event.target.value.trim().toLowerCase());
          }}
        />
        {registering && (
          <Field
            label="Display name"
            name="displayName"
            autoComplete="name"
            dir="auto"
            maxLength={64}
            value={displayName}
            error={fields.displayName}
            hint="What others see. You can change it later."
            onChange={(event) => {
              setDisplayName(event.target.value);
            }}
          />
        )}
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete={registering ? "new-password" : "current-password"}
          required
          value={password}
          error={fields.password}
          hint={registering ? "At least 10 characters." : undefined}
          onChange={(event) => {
            setPassword(event.target.value);
          }}
        />
        {failure !== undefined && (
          <p className={css.failure} role="alert">
            {failure}
          </p>
        )}
        <Button type="submit" tone="primary" busy={busy}>
          {busy ? "One moment…" : registering ? "Create account" : "Sign in"}
        </Button>
        <Button
          tone="quiet"
          onClick={() => {
            turn(registering ? "login" : "register");
          }}
        >
          {registering ? "I have an account" : "Create an account"}
        </Button>
      </form>
    </main>
  );
}

function atFields(error: unknown): Fields {
  if (!isFailure(error)) return {};
  const known = (name: string): name is keyof Fields => name === "username" || name === "displayName" || name === "password";
  const all = { ...error.fields, ...(error.field === undefined ? {} : { [error.field]: error.fields?.[error.field] ?? sentence(error) }) };
  if (error.code === "CONFLICT" && Object.keys(all).length === 0) return { username: "That user name is taken." };
  return Object.fromEntries(Object.entries(all).filter(([name]) => known(name)));
}
