import { Avatar } from "../../ui/avatar";
import { Field } from "../../ui/field";
import { useMediaSource } from "../media/source";
import { useClient, useLive, useScreen } from "../messenger/context";
import { NameForm } from "../people/name-form";
import { PictureButtons } from "../people/picture-buttons";
import css from "./settings.module.css";

export function ProfileSettings() {
  const client = useClient();
  const { user } = useLive(client.session);
  const say = useScreen((screen) => screen.say);
  const picture = useMediaSource(user?.avatarUrl === undefined ? null : { path: user.avatarUrl });
  if (user === null) return null;
  return (
    <div className={css.stack}>
      <div className={css.portrait}>
        <Avatar id={user.id} name={user.displayName} url={picture} size="xl" />
        <PictureButtons present={user.avatarUrl !== undefined} onChange={(avatar) => client.session.updateMe({ avatar })} />
      </div>
      <NameForm
        label="Display name"
        name={user.displayName}
        missing="Enter a name."
        longest={64}
        className={css.stack}
        onSave={async (displayName) => {
          await client.session.updateMe({ displayName });
          say("Saved.");
        }}
      >
        <Field label="User name" value={user.username} readOnly dir="ltr" hint="By this name others find you. It can't be changed." />
      </NameForm>
    </div>
  );
}
