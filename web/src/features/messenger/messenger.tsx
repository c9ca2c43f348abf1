import { useEffect } from "react";
import { later } from "../../ui/later";
import { OverlayHost } from "../../ui/overlay";
import { Toast } from "../../ui/toast";
import { Banner } from "../connection/banner";
import { ListPane } from "../conversations/list-pane";
import { usePageSignals } from "../notifications/page-signals";
import { useClient, useLive, useScreen } from "./context";
import { NotOpened } from "./not-opened";
import css from "./messenger.module.css";

/** Read at once by who opens a conversation, and soon by who is signed in: not by who still has to sign in. */
export const loadChat = () => import("../chat/chat-pane");

const ChatPane = later(async () => ({ default: (await loadChat()).ChatPane }), { waiting: <div aria-busy="true" /> });
const AuthScreen = later(async () => ({ default: (await import("../auth/auth-screen")).AuthScreen }));
const DetailsPane = later(() => import("../people/details-pane"));
const Dialogs = later(() => import("./dialogs"), { failed: () => <NotOpened /> });

export function Messenger({ page }: { page: boolean }) {
  const client = useClient();
  const { state, user } = useLive(client.session);
  const toast = useScreen((screen) => screen.toast);
  if (state === "starting") return <div className={css.frame} aria-busy="true" />;
  return (
    <OverlayHost className={css.frame}>
      {user !== null && state === "signed-in" ? (
        <Panes page={page} />
      ) : (
        <AuthScreen />
      )}
      {toast !== null && <Toast key={toast.count} text={toast.text} />}
    </OverlayHost>
  );
}

function Panes({ page }: { page: boolean }) {
  const { conversationId, details } = useScreen((screen) => screen.route);
  const dialog = useScreen((screen) => screen.dialog);
  const focusSearch = useScreen((screen) => screen.focusSearch);
  usePageSignals(page);
  useEffect(() => {
    loadChat().catch(() => undefined);
  }, []);

  useEffect(() => {
    if (!page) return;
    function onKey(event: KeyboardEvent) {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        focusSearch();
      }
    }
    addEventListener("keydown", onKey);
    return () => {
      removeEventListener("keydown", onKey);
    };
  }, [page, focusSearch]);

  const pane = conversationId === null ? "list" : details ? "details" : "chat";
  // Where it is one of several on a page, the page itself says what its main part is.
  const Landmark = page ? "main" : "div";
  return (
    <div className={css.messenger} data-pane={pane}>
      <Banner />
      <Landmark className={css.panes}>
        {page && <h1 className="visually-hidden">Murre</h1>}
        <div className={css.list}>
          <ListPane />
        </div>
        <div className={css.chat}>
          {conversationId === null ? (
            <Welcome />
          ) : (
            <ChatPane key={conversationId} conversationId={conversationId} />
          )}
        </div>
        {conversationId !== null && details && (
          <section className={css.details} aria-label="Details">
            <DetailsPane key={conversationId} conversationId={conversationId} />
          </section>
        )}
      </Landmark>
      {dialog !== null && <Dialogs dialog={dialog} />}
    </div>
  );
}

function Welcome() {
  return (
    <div className={css.welcome}>
      <img src="/icon.svg" alt="" width={72} height={72} />
      <h2>Murre</h2>
      <p>
        Choose a conversation, or start one. <kbd>Ctrl</kbd> <kbd>K</kbd> searches.
      </p>
    </div>
  );
}
