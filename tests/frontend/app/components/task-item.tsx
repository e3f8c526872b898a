import { useState } from "react";
import { deleteSeen } from "../lib/edit";
import type { Task } from "../lib/task";
import { TaskEditor } from "./task-editor";
import type { TaskList } from "./use-tasks";

type Props = {
  list: TaskList;
  task: Task;
  onEdit: (isEdited: boolean) => void;
};

export function TaskItem({ list, task, onEdit }: Props) {
  const { api, change } = list;
  const [isEdited, setEdited] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [isSpared, setSpared] = useState(false);

  /** One thing at a time: a second click would be meant for what the first one makes. */
  async function act(action: () => Promise<unknown>) {
    setBusy(true);
    setSpared(false);
    try {
      await action();
    } finally {
      setBusy(false);
    }
  }

  function open(isEdited: boolean) {
    setSpared(false);
    setEdited(isEdited);
    onEdit(isEdited);
  }

  function toggle() {
    return change(async () => {
      // Without a condition: done is done, whatever somebody else has made of the text.
      const changed = await api.update(task.id, { is_completed: !task.is_completed });
      return (tasks) => tasks.map((one) => (one.id === changed.id ? changed : one));
    });
  }

  function remove() {
    return change(async () => {
      // Nobody can bring it back: so nobody deletes what they have not seen.
      const changed = await deleteSeen(api, task);
      setSpared(changed !== null);
      return (tasks) => tasks.flatMap((one) => (one.id === task.id ? (changed ?? []) : one));
    });
  }

  if (isEdited) {
    return (
      <li>
        <TaskEditor list={list} task={task} onClose={() => open(false)} />
      </li>
    );
  }
  return (
    <li>
      <label className={task.is_completed ? "done" : undefined}>
        <input
          type="checkbox"
          checked={task.is_completed}
          disabled={isBusy}
          onChange={() => void act(toggle)}
        />
        <span>
          {task.title}
          {task.description && <small>{task.description}</small>}
        </span>
      </label>
      <button
        type="button"
        className="quiet"
        aria-label={`Edit ${task.title}`}
        disabled={isBusy}
        onClick={() => open(true)}
      >
        Edit
      </button>
      <button
        type="button"
        className="quiet"
        aria-label={`Delete ${task.title}`}
        disabled={isBusy}
        onClick={() => void act(remove)}
      >
        Delete
      </button>
      {isSpared && (
        <p role="alert">
          Somebody has changed this task, so it is not deleted yet. Delete what is there now, or keep it.
        </p>
      )}
    </li>
  );
}
