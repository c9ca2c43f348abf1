import { useState, type ComponentType } from "react";
import { Dialog } from "../../ui/dialog";
import { Icon, type IconName } from "../../ui/icon";
import type { SettingsPage } from "../messenger/screen";
import { AccountSettings } from "./account";
import { AppearanceSettings } from "./appearance-settings";
import { BlockedSettings } from "./blocked";
import { DeviceSettings } from "./devices";
import { ProfileSettings } from "./profile";
import css from "./settings.module.css";

const pages: readonly { page: SettingsPage; name: string; icon: IconName; Page: ComponentType }[] = [
  { page: "profile", name: "Profile", icon: "person", Page: ProfileSettings },
  { page: "appearance", name: "Appearance", icon: "theme", Page: AppearanceSettings },
  { page: "devices", name: "Devices", icon: "device", Page: DeviceSettings },
  { page: "blocked", name: "Blocked", icon: "block", Page: BlockedSettings },
  { page: "account", name: "Account", icon: "key", Page: AccountSettings },
];

export default function Settings({ page: start, onClose }: { page: SettingsPage; onClose: () => void }) {
  const [page, setPage] = useState(start);
  const { Page, name } = pages.find((one) => one.page === page) ?? pages[0]!;
  return (
    <Dialog title="Settings" onClose={onClose} wide>
      <div className={css.settings}>
        <nav className={css.tabs} aria-label="Settings">
          {pages.map((one) => (
            <button
              key={one.page}
              type="button"
              className={css.tab}
              aria-current={one.page === page ? "page" : undefined}
              onClick={() => {
                setPage(one.page);
              }}
            >
              <Icon name={one.icon} size={20} />
              {one.name}
            </button>
          ))}
        </nav>
        <section className={css.page} aria-label={name}>
          <Page key={page} />
        </section>
      </div>
    </Dialog>
  );
}
