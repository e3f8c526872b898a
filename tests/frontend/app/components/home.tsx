"use client";

import { useCallback, useState } from "react";
import { ApiError } from "../lib/api-error";
import { AUTH_IS_AWAY, authClient, describeAuthError } from "../lib/auth-client";
import { Notice } from "./notice";
import { SignIn } from "./sign-in";
import { Tasks } from "./tasks";

const authIsAway = new ApiError(AUTH_IS_AWAY, 0, {}, 2);

export function Home({ apiUrl }: { apiUrl: string }) {
  const { data: session, error, isPending, refetch } = authClient.useSession();
  const [user, setUser] = useState(session?.user);
  const [endedSession, setEndedSession] = useState<string>();
  const [problem, setProblem] = useState<string | null>(null);
  const [isAnswered, setAnswered] = useState(false);

  // Better Auth's client may know an ended session for a while yet; the next one has another id.
  const sessionId = session?.session.id;
  const isSignedIn = sessionId !== undefined && sessionId !== endedSession;
  const refuse = useCallback(() => setEndedSession(sessionId), [sessionId]);

  if (session && isSignedIn && session.user.id !== user?.id) {
    setUser(session.user);
  }
  if (!isPending && !isAnswered) {
    setAnswered(true);
  }
  // Only until the first answer: while it is asked again, what somebody types into the form must not go.
  if (!user && !isAnswered) {
    return <p role="status">One moment …</p>;
  }

  async function leave() {
    const { error } = await authClient.signOut();
    setProblem(error ? describeAuthError(error) : null);
    if (!error) {
      setEndedSession(sessionId);
      setUser(undefined);
    }
  }

  return (
    <>
      {!user && error && <Notice problem={authIsAway} onRetry={refetch} />}
      {!isSignedIn && (
        <SignIn notice={user ? "Your session has ended. Please sign in again; what you typed is still here." : null} />
      )}
      {user && (
        // Hidden and not gone while the session has ended, so that what the user has typed outlives it.
        <div hidden={!isSignedIn}>
          <header>
            <span>{user.email}</span>
            {problem && <span role="alert">{problem}</span>}
            <button type="button" className="quiet" onClick={() => void leave()}>
              Sign out
            </button>
          </header>
          <Tasks key={user.id} apiUrl={apiUrl} userId={user.id} isSignedIn={isSignedIn} onRefusal={refuse} />
        </div>
      )}
    </>
  );
}
