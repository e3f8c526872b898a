import { useState } from "react";
import type { Task, TaskChange } from "../lib/api";
import type { ApiError } from "../lib/api-error";
import { TaskForm } from "./task-form";

type Props = {
  task: Task;
  /** Each gives what is wrong, if it was not done. */
  onChange: (change: TaskChange) => Promise<ApiError | null>;
  onDelete: () => Promise<ApiError | null>;
};

export function TaskItem({ task, onChange, onDelete }: Props) {
  const original = { title: task.title, description: task.description ?? "" };
  const [draft, setDraft] = useState<typeof original | null>(null);

  if (draft) {
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
        setDraft(null);
      }
      return failure;
    };
    return (
      <li>
        <TaskForm label={`Edit ${task.title}`} draft={draft} onDraft={setDraft} onSubmit={save}>
          <button>Save</button>
          <button type="button" className="quiet" onClick={() => setDraft(null)}>
            Cancel
          </button>
        </TaskForm>
      </li>
    );
  }
  return (
    <li>
      <label className={task.is_completed ? "done" : undefined}>
        <input
          type="checkbox"
          checked={task.is_completed}
          onChange={() => void onChange({ is_completed: !task.is_completed })}
        />
        <span>
          {task.title}
          {task.description && <small>{task.description}</small>}
        </span>
      </label>
      <button type="button" className="quiet" aria-label={`Edit ${task.title}`} onClick={() => setDraft(original)}>
        Edit
      </button>
      <button type="button" className="quiet" aria-label={`Delete ${task.title}`} onClick={() => void onDelete()}>
        Delete
      </button>
    </li>
  );
}
