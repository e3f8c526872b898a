"use client";

import { useCallback, useState } from "react";
import { authClient } from "../lib/auth-client";
import { forgetToken } from "../lib/token";
import { SignIn } from "./sign-in";
import { Tasks } from "./tasks";

export function Home({ apiUrl }: { apiUrl: string }) {
  const { data: session, isPending } = authClient.useSession();
  const [user, setUser] = useState(session?.user);
  const [isRefused, setRefused] = useState(false);
  const refuse = useCallback(() => setRefused(true), []);

  if (session && session.user.id !== user?.id) {
    setUser(session.user);
  }
  if (isPending && !user) {
    return <p role="status">One moment …</p>;
  }

  async function signOut() {
    await authClient.signOut();
    forgetToken();
    setUser(undefined);
  }

  const isSignedIn = Boolean(session) && !isRefused;
  return (
    <>
      {!isSignedIn && (
        <SignIn
          notice={user ? "Your session has ended. Please sign in again; what you typed is still here." : null}
          onSignedIn={() => {
            forgetToken();
            setRefused(false);
          }}
        />
      )}
      {user && (
        // Hidden and not gone while the session has ended, so that what the user has typed outlives it.
        <div hidden={!isSignedIn}>
          <header>
            <span>{user.email}</span>
            <button type="button" className="quiet" onClick={() => void signOut()}>
              Sign out
            </button>
          </header>
          <Tasks key={user.id} apiUrl={apiUrl} userId={user.id} isSignedIn={isSignedIn} onRefusal={refuse} />
        </div>
      )}
    </>
  );
}
