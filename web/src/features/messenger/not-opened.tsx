import { useEffect } from "react";
import { useScreen } from "./context";

/** In place of a menu or a dialog whose code couldn't be read: says so, and closes it. */
export function NotOpened({ onClose }: { onClose?: () => void }) {
  const say = useScreen((screen) => screen.say);
  const show = useScreen((screen) => screen.show);
  useEffect(() => {
    say("That couldn’t be opened. Is there a network?");
    if (onClose === undefined) show(null);
    else onClose();
  }, [say, show, onClose]);
  return null;
}
