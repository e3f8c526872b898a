import { useCallback, useEffect, useRef, useState } from "react";
import type { TaskApi } from "../lib/api";
import { ApiError } from "../lib/api-error";
import type { Task } from "../lib/task";

/** Sends something, and gives what that makes of the list. */
type Send = () => Promise<(tasks: Task[]) => Task[]>;

/** The tasks that are shown: all of them, or only what is completed, or only the rest. */
export function useTasks(api: TaskApi, isSignedIn: boolean, onRefusal: () => void) {
  const [tasks, setTasks] = useState<Task[] | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);

  const filter = useRef<boolean>(undefined);
  const changes = useRef(0);

  /** Does something with the API; gives what is wrong, and tells the user, if it was not done. */
  const attempt = useCallback(
    async (action: () => Promise<void>): Promise<ApiError | null> => {
      try {
        await action();
        setProblem(null);
        return null;
      } catch (error) {
        if (!(error instanceof ApiError)) {
          throw error;
        }
        if (error.status === 401) {
          onRefusal();
        }
        setProblem(error);
        return error;
      }
    },
    [onRefusal],
  );

  const read = useCallback(async () => {
    let before: number;
    let found: Task[];
    do {
      // What was changed meanwhile, the list may or may not know: it is asked for once more.
      before = changes.current;
      found = await api.list(filter.current);
    } while (before !== changes.current);
    setTasks(found);
  }, [api]);

  const load = useCallback(() => attempt(read), [attempt, read]);

  const show = useCallback(
    (isCompleted: boolean | undefined) => {
      filter.current = isCompleted;
      // A list that is on its way is of the filter before.
      changes.current += 1;
      void load();
    },
    [load],
  );

  /** Changes something, then shows it; what was gone, or has become somebody else's, shows in the list. */
  const change = useCallback(
    (send: Send) =>
      attempt(async () => {
        try {
          const apply = await send();
          // Whatever the filter says, what the user has just made or changed is in sight until the list is read again.
          setTasks((known) => apply(known ?? []));
        } catch (error) {
          if (error instanceof ApiError && (error.status === 403 || error.status === 404)) {
            await read();
          }
          throw error;
        } finally {
          changes.current += 1;
        }
      }),
    [attempt, read],
  );

  useEffect(() => {
    if (!isSignedIn) {
      return;
    }
    void load();
    // Who comes back to the page may have been at another one meanwhile. If nothing has changed, that costs little.
    const look = () => {
      if (document.visibilityState === "visible") {
        void load();
      }
    };
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [isSignedIn, load]);

  return { api, tasks, problem, load, show, change };
}

export type TaskList = ReturnType<typeof useTasks>;
