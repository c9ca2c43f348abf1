import "./app.css";
import { applyAppearance } from "./features/messenger/appearance";
import { mountMessenger } from "./features/messenger/mount";
import { createClient } from "./sync";

applyAppearance();

const root = document.getElementById("root");
if (root !== null) mountMessenger(root, createClient({}), { page: true });

if ("serviceWorker" in navigator && import.meta.env.PROD) {
  // The offline shell is a comfort: without it the page works as long as there is a network.
  navigator.serviceWorker.register("/sw.js").catch(() => undefined);
}
