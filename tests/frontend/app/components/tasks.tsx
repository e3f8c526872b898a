import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { createTaskApi, type Task } from "../lib/api";
import { ApiError } from "../lib/api-error";
import { Notice } from "./notice";
import { emptyDraft, TaskForm } from "./task-form";
import { TaskItem } from "./task-item";

type Props = {
  apiUrl: string;
  userId: string;
  isSignedIn: boolean;
  /** The token was refused, and so was a new one. */
  onRefusal: () => void;
};

export function Tasks({ apiUrl, userId, isSignedIn, onRefusal }: Props) {
  const api = useMemo(() => createTaskApi(apiUrl, userId), [apiUrl, userId]);
  const [tasks, setTasks] = useState<Task[] | null>(null);
  const [draft, setDraft] = useState(emptyDraft);
  const [problem, setProblem] = useState<ApiError | null>(null);

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
      found = await api.list();
    } while (before !== changes.current);
    setTasks(found);
  }, [api]);

  const load = useCallback(() => attempt(read), [attempt, read]);

  /** Changes something, then shows it; what was gone, or has become somebody else's, shows in the list. */
  const change = useCallback(
    (send: () => Promise<(tasks: Task[]) => Task[]>) =>
      attempt(async () => {
        try {
          const apply = await send();
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
    if (isSignedIn) {
      void load();
    }
  }, [isSignedIn, load]);

  async function create() {
    const body = { title: draft.title, description: draft.description || null };
    const failure = await change(async () => {
      const task = await api.create(body);
      return (tasks) => [...tasks.filter((one) => one.id !== task.id), task];
    });
    if (!failure) {
      setDraft(emptyDraft);
    }
    return failure;
  }

  return (
    <>
      {/* Another try asks first what there is: after a failure, a change may have been made all the same. */}
      {problem && <Notice problem={problem} onRetry={load} />}
      <TaskForm label="New task" draft={draft} onDraft={setDraft} onSubmit={create}>
        <button>Add</button>
      </TaskForm>
      {tasks?.length === 0 && <p role="status">Nothing to do.</p>}
      <ul aria-label="Tasks">
        {tasks?.map((task) => (
          <TaskItem
            key={task.id}
            task={task}
            onChange={(patch) =>
              change(async () => {
                const changed = await api.update(task.id, patch);
                return (tasks) => tasks.map((one) => (one.id === changed.id ? changed : one));
              })
            }
            onDelete={() =>
              change(async () => {
                await api.remove(task.id);
                return (tasks) => tasks.filter((one) => one.id !== task.id);
              })
            }
          />
        ))}
      </ul>
    </>
  );
}
