import type { MessageId } from "../../sync/api";

type Timers = Pick<typeof globalThis, "setTimeout" | "clearTimeout">;

/**
 * Decides when messages count as read: at least half of one was on the screen, for half a second without change, and the page
 * was visible all the while. Reports the newest of them, and each only once.
 */
export class ReadTracker {
  private readonly showing = new Set<MessageId>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reported = "";
  private readonly report: (upTo: MessageId) => void;
  private pageVisible: boolean;
  private readonly delay: number;
  private readonly timers: Timers;

  constructor(report: (upTo: MessageId) => void, pageVisible: boolean, delay = 500, timers: Timers = globalThis) {
    this.report = report;
    this.pageVisible = pageVisible;
    this.delay = delay;
    this.timers = timers;
  }

  /** A message came onto the screen, or went off it. */
  show(id: MessageId, shown: boolean) {
    if (shown) this.showing.add(id);
    else this.showing.delete(id);
    this.restart();
  }

  setPageVisible(visible: boolean) {
    this.pageVisible = visible;
    this.restart();
  }

  stop() {
    this.timers.clearTimeout(this.timer);
    this.showing.clear();
  }

  private restart() {
    this.timers.clearTimeout(this.timer);
    if (!this.pageVisible || this.newest() <= this.reported) return;
    this.timer = this.timers.setTimeout(() => {
      const newest = this.newest();
      if (newest <= this.reported) return;
      this.reported = newest;
      this.report(newest);
    }, this.delay);
  }

  private newest(): string {
    let newest = "";
    for (const id of this.showing) if (id > newest) newest = id;
    return newest;
  }
}
