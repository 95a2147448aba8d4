/** Guest lines that the monitor keeps for us, and the one reader that takes them. */
export interface GuestLines {
  /** A line came. */
  push(line: string): void;
  /** The connection is lost: what was not acknowledged will come again on the next. */
  forget(): void;
  /** No line will come any more; readers end after those that are there. */
  end(): void;
  /** The lines for one reader. A line counts as taken, and is acknowledged, when the reader asks for the next. */
  read(closed: AbortSignal): AsyncIterable<string>;
}

/** @param acknowledge tells the monitor that its oldest kept line was taken */
export function createGuestLines(acknowledge: () => void): GuestLines {
  let lines: string[] = [];
  let ended = false;
  let epoch = 0;
  let wake = bell();
  const notify = () => {
    wake.resolve();
    wake = bell();
  };

  async function* read(closed: AbortSignal): AsyncIterable<string> {
    const onClose = () => notify();
    closed.addEventListener('abort', onClose);
    try {
      while (!closed.aborted) {
        const line = lines[0];
        if (line === undefined) {
          if (ended) return;
          await wake.promise;
          continue;
        }
        const mine = epoch;
        yield line;
        if (mine !== epoch) continue; // A new connection sent it again; the service knows it by its number.
        lines.shift();
        acknowledge();
      }
    } finally {
      closed.removeEventListener('abort', onClose);
    }
  }

  return {
    push(line) {
      lines.push(line);
      notify();
    },
    forget() {
      lines = [];
      epoch++;
    },
    end() {
      ended = true;
      notify();
    },
    read,
  };
}

interface Bell {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function bell(): Bell {
  let resolve: () => void = () => {};
  const promise = new Promise<void>(done => {
    resolve = done;
  });
  return { promise, resolve };
}
