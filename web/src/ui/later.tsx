import { Component, lazy, Suspense, useCallback, useReducer, type ComponentType, type ReactNode } from "react";
import { Button } from "./button";
import css from "./later.module.css";

interface Shown<P> {
  /** While the code is on its way. */
  waiting?: ReactNode;
  /** In place of a part that couldn't be read, or that broke. */
  failed?: (props: P) => ReactNode;
}

/**
 * A part of the page whose code is read when it is first shown. Without a network, or after a new version was put on the server, that
 * may fail: then the part says so, and the rest of the page goes on. The next time it is tried anew.
 */
export function later<P extends object>(load: () => Promise<{ default: ComponentType<P> }>, { waiting = null, failed }: Shown<P> = {}) {
  const part = { now: lazy(load) };
  const anew = () => {
    part.now = lazy(load);
  };
  return function Later(props: P) {
    const [attempt, again] = useReducer((n: number) => n + 1, 0);
    const broken = useCallback(anew, []);
    const Part = part.now as ComponentType<P>;
    return (
      <Boundary key={attempt} broken={broken} failed={failed === undefined ? <Failed onRetry={again} /> : failed(props)}>
        <Suspense fallback={waiting}>
          <Part {...props} />
        </Suspense>
      </Boundary>
    );
  };
}

function Failed({ onRetry }: { onRetry: () => void }) {
  return (
    <div className={css["failed"]} role="alert">
      <p>This part couldn’t be loaded. Is there a network?</p>
      <Button onClick={onRetry}>Try again</Button>
    </div>
  );
}

class Boundary extends Component<{ children: ReactNode; failed: ReactNode; broken: () => void }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override componentDidCatch() {
    this.props.broken();
  }

  override render() {
    return this.state.failed ? this.props.failed : this.props.children;
  }
}
