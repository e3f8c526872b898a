import { type FormEvent, type ReactNode, useId, useState } from "react";
import type { ApiError } from "../lib/api-error";
import type { Draft } from "../lib/draft";

type Props = {
  label: string;
  notice?: ReactNode;
  draft: Draft;
  onDraft: (draft: Draft) => void;
  onSubmit: () => Promise<ApiError | null>;
  children: ReactNode;
};

/** Title and description, each with what the server said is wrong with it. */
export function TaskForm({ label, notice, draft, onDraft, onSubmit, children }: Props) {
  const [fields, setFields] = useState<ApiError["fields"]>({});
  const [isBusy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    try {
      const failure = await onSubmit();
      setFields(failure?.fields ?? {});
    } finally {
      setBusy(false);
    }
  }

  return (
    <form className="card" aria-label={label} onSubmit={(event) => void submit(event)}>
      {notice}
      <Field
        label="Title"
        value={draft.title}
        problem={fields.title}
        isBusy={isBusy}
        onChange={(title) => onDraft({ ...draft, title })}
      />
      <Field
        label="Description"
        value={draft.description}
        problem={fields.description}
        isBusy={isBusy}
        onChange={(description) => onDraft({ ...draft, description })}
      />
      {/* A second click would be a second task. */}
      <fieldset className="row" disabled={isBusy}>
        {children}
      </fieldset>
    </form>
  );
}

type FieldProps = {
  label: string;
  value: string;
  problem: string | undefined;
  isBusy: boolean;
  onChange: (value: string) => void;
};

function Field({ label, value, problem, isBusy, onChange }: FieldProps) {
  const id = useId();
  // What does not fit on one line wraps, and a description may have several.
  const Input = label === "Description" ? "textarea" : "input";
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <Input
        id={id}
        value={value}
        // What is typed while it is being sent would be gone with what was sent.
        readOnly={isBusy}
        aria-invalid={problem !== undefined}
        aria-describedby={problem && `${id}-problem`}
        onChange={(event) => onChange(event.target.value)}
      />
      {problem && <small id={`${id}-problem`}>{`${label} ${problem}.`}</small>}
    </div>
  );
}
