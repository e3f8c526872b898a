import { type FormEvent, type ReactNode, useId, useState } from "react";
import type { ApiError } from "../lib/api-error";

export type Draft = { title: string; description: string };

export const emptyDraft: Draft = { title: "", description: "" };

type Props = {
  label: string;
  draft: Draft;
  onDraft: (draft: Draft) => void;
  onSubmit: () => Promise<ApiError | null>;
  children: ReactNode;
};

/** Title and description, each with what the server said is wrong with it. */
export function TaskForm({ label, draft, onDraft, onSubmit, children }: Props) {
  const [fields, setFields] = useState<ApiError["fields"]>({});
  const [isBusy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    const failure = await onSubmit();
    setBusy(false);
    setFields(failure?.fields ?? {});
  }

  return (
    <form className="card" aria-label={label} onSubmit={(event) => void submit(event)}>
      <Field
        label="Title"
        value={draft.title}
        problem={fields.title}
        onChange={(title) => onDraft({ ...draft, title })}
      />
      <Field
        label="Description"
        value={draft.description}
        problem={fields.description}
        onChange={(description) => onDraft({ ...draft, description })}
      />
      {/* A second click would be a second task. */}
      <fieldset className="row" disabled={isBusy}>
        {children}
      </fieldset>
    </form>
  );
}

type FieldProps = { label: string; value: string; problem: string | undefined; onChange: (value: string) => void };

function Field({ label, value, problem, onChange }: FieldProps) {
  const id = useId();
  // What does not fit on one line wraps, and a description may have several.
  const Input = label === "Description" ? "textarea" : "input";
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <Input
        id={id}
        value={value}
        aria-invalid={problem !== undefined}
        aria-describedby={problem && `${id}-problem`}
        onChange={(event) => onChange(event.target.value)}
      />
      {problem && <small id={`${id}-problem`}>{`${label} ${problem}.`}</small>}
    </div>
  );
}
