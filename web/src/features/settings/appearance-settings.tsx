import { useState } from "react";
import { useStore } from "zustand";
import { Toggle } from "../../ui/field";
import { appearance, type Appearance } from "../messenger/appearance";
import css from "./settings.module.css";

const themes: readonly { theme: Appearance["theme"]; name: string }[] = [
  { theme: "system", name: "Like the device" },
  { theme: "light", name: "Light" },
  { theme: "dark", name: "Dark" },
];

export function AppearanceSettings() {
  const { theme, direction, notifications } = useStore(appearance);
  const [permission, setPermission] = useState(() => ("Notification" in globalThis ? Notification.permission : "unsupported"));

  function setNotifications(on: boolean) {
    appearance.setState({ notifications: on });
    if (on && permission === "default") Notification.requestPermission().then(setPermission, () => undefined);
  }

  return (
    <div className={css.stack}>
      <fieldset className={css.choices}>
        <legend className={css.legend}>Theme</legend>
        {themes.map((one) => (
          <label key={one.theme} className={css.choice}>
            <input
              type="radio"
              name="theme"
              checked={theme === one.theme}
              onChange={() => {
                appearance.setState({ theme: one.theme });
              }}
            />
            {one.name}
          </label>
        ))}
      </fieldset>
      <Toggle
        label="From right to left"
        hint="Turns the page round; messages keep their own direction"
        checked={direction === "rtl"}
        onChange={(on) => {
          appearance.setState({ direction: on ? "rtl" : "ltr" });
        }}
      />
      <Toggle
        label="Notifications"
        hint={permission === "denied" ? "This browser forbids them for this page" : "While this page is in the background"}
        checked={notifications && permission === "granted"}
        disabled={permission === "denied" || permission === "unsupported"}
        onChange={setNotifications}
      />
    </div>
  );
}
