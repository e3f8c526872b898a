import { useState } from "react";
import type { Task, TaskChange } from "../lib/api";
import type { ApiError } from "../lib/api-error";
import { type Draft, TaskForm } from "./task-form";

type Props = {
  task: Task;
  /** Each gives what is wrong, if it was not done. */
  onChange: (change: TaskChange) => Promise<ApiError | null>;
  onDelete: () => Promise<ApiError | null>;
};

export function TaskItem({ task, onChange, onDelete }: Props) {
  const [edit, setEdit] = useState<{ original: Draft; draft: Draft } | null>(null);
  const [isBusy, setBusy] = useState(false);

  /** One thing at a time: a second click would be meant for what the first one makes. */
  async function act(action: () => Promise<unknown>) {
    setBusy(true);
    try {
      await action();
    } finally {
      setBusy(false);
    }
  }

  if (edit) {
    const { original, draft } = edit;
    const save = async () => {
      // A merge patch: what the user has not touched stays as it is, whatever others have made of it.
      const change: TaskChange = {};
      if (draft.title !== original.title) {
        change.title = draft.title;
      }
      if (draft.description !== original.description) {
        change.description = draft.description || null;
      }
      const failure = await onChange(change);
      if (!failure) {
        setEdit(null);
      }
      return failure;
    };
    return (
      <li>
        <TaskForm
          label={`Edit ${original.title}`}
          draft={draft}
          onDraft={(draft) => setEdit({ original, draft })}
          onSubmit={save}
        >
          <button>Save</button>
          <button type="button" className="quiet" onClick={() => setEdit(null)}>
            Cancel
          </button>
        </TaskForm>
      </li>
    );
  }

  function begin() {
    const original = { title: task.title, description: task.description ?? "" };
    setEdit({ original, draft: original });
  }

  return (
    <li>
      <label className={task.is_completed ? "done" : undefined}>
        <input
          type="checkbox"
          checked={task.is_completed}
          disabled={isBusy}
          onChange={() => void act(() => onChange({ is_completed: !task.is_completed }))}
        />
        <span>
          {task.title}
          {task.description && <small>{task.description}</small>}
        </span>
      </label>
      <button type="button" className="quiet" aria-label={`Edit ${task.title}`} disabled={isBusy} onClick={begin}>
        Edit
      </button>
      <button
        type="button"
        className="quiet"
        aria-label={`Delete ${task.title}`}
        disabled={isBusy}
        onClick={() => void act(onDelete)}
      >
        Delete
      </button>
    </li>
  );
}
