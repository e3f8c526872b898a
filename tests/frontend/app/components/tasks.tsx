import { useCallback, useEffect, useMemo, useState } from "react";
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

  const load = useCallback(() => attempt(async () => setTasks(await api.list())), [api, attempt]);

  useEffect(() => {
    if (isSignedIn) {
      void load();
    }
  }, [isSignedIn, load]);

  async function create() {
    const body = { title: draft.title, description: draft.description || null };
    const failure = await attempt(async () => {
      const task = await api.create(body);
      setTasks((known) => [...(known ?? []), task]);
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
            onChange={(change) =>
              attempt(async () => {
                const changed = await api.update(task.id, change);
                setTasks((known) => known?.map((one) => (one.id === changed.id ? changed : one)) ?? null);
              })
            }
            onDelete={() =>
              attempt(async () => {
                await api.remove(task.id);
                setTasks((known) => known?.filter((one) => one.id !== task.id) ?? null);
              })
            }
          />
        ))}
      </ul>
    </>
  );
}
