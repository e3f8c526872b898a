import { type FormEvent, useState } from "react";
import { authClient, describeAuthError } from "../lib/auth-client";

export function SignIn({ notice }: { notice: string | null }) {
  const [isNew, setNew] = useState(false);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    const { error } = isNew
      ? await authClient.signUp.email({ email, password, name: email })
      : await authClient.signIn.email({ email, password });
    setProblem(error ? describeAuthError(error) : null);
    setBusy(false);
  }

  return (
    <form className="card" onSubmit={(event) => void submit(event)}>
      <h2>{isNew ? "Sign up" : "Sign in"}</h2>
      {notice && <p role="status">{notice}</p>}
      {problem && <p role="alert">{problem}</p>}
      <label>
        E-mail
        <input type="email" required autoComplete="email" value={email} onChange={(e) => setEmail(e.target.value)} />
      </label>
      <label>
        Password
        <input
          type="password"
          required
          minLength={8}
          autoComplete={isNew ? "new-password" : "current-password"}
          value={password}
          onChange={(e) => setPassword(e.target.value)}
        />
      </label>
      <div className="row">
        <button disabled={isBusy}>{isNew ? "Create account" : "Sign in"}</button>
        <button type="button" className="quiet" onClick={() => setNew(!isNew)}>
          {isNew ? "I have an account" : "I am new here"}
        </button>
      </div>
    </form>
  );
}
